import { randomFillSync } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';

/** W3C trace context, version 00; ids of zeros are invalid. */
const TRACEPARENT = /^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/;

/** What a caller may call its request: it comes back in a header and stands in logs. */
const REQUEST_ID = /^[A-Za-z0-9._:-]{1,128}$/;

/** The trace that a request belongs to: the caller's, or a new one that begins here. */
export const traceparentOf = (headers: IncomingHttpHeaders): string => {
  const given = headers['traceparent'];
  return typeof given === 'string' && TRACEPARENT.test(given) ? given : newTraceparent();
};

export const traceIdOf = (traceparent: string): string => traceparent.slice(3, 35);

/** The caller's id for the request, if it has one that can be repeated safely. */
export const requestIdOf = (headers: IncomingHttpHeaders): string | undefined => {
  const given = headers['x-request-id'];
  return typeof given === 'string' && REQUEST_ID.test(given) ? given : undefined;
};

/** Randomness is drawn for many traces at once: a system call for each request would cost more than all the rest here. */
const TRACE_BYTES = 24;
const pool = Buffer.alloc(TRACE_BYTES * 256);
let used = pool.length;

const newTraceparent = (): string => {
  if (used >= pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  const hex = pool.toString('hex', used, used + TRACE_BYTES);
  used += TRACE_BYTES;
  return `00-${hex.slice(0, 32)}-${hex.slice(32)}-01`;
};
