import { randomFillSync } from 'node:crypto';

/** Random bytes fetched at once: the system call costs as much for one id as for hundreds. */
const POOL = Buffer.alloc(4_000);
const BYTES = 10;
let used = POOL.length;

/** UUID version 7 (RFC 9562, section 5.7): time first, so that ids sort by age; then 74 random bits. */
export const newTaskId = (nowMs: number): string => {
  if (used + BYTES > POOL.length) {
    randomFillSync(POOL);
    used = 0;
  }
  const hex = POOL.toString('hex', used, used + BYTES);
  const variant = ((POOL[used + 2] ?? 0) & 0x3f) | 0x80;
  used += BYTES;
  const time = nowMs.toString(16).padStart(12, '0');
  return (
    `${time.slice(0, 8)}-${time.slice(8)}-7${hex.slice(0, 3)}-` +
    `${variant.toString(16)}${hex.slice(6, 8)}-${hex.slice(8, 20)}`
  );
};
