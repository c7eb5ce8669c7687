import type { Server } from '../gpu/gpu.js';
import type { Queue } from './queue.js';
import type { Candidate } from './server-verdict.js';
import type { Snapshot } from './snapshot.js';

type Around = { readonly servers: readonly Server[]; readonly queue: Queue; readonly snapshot: Snapshot };

/** Whether something waits to be loaded that needs a server as large as this, where the candidate fits on a smaller one as well. */
export const isNeededByLarger = (
  { spec }: Server,
  { group }: Candidate,
  { servers, queue, snapshot }: Around,
): boolean => {
  const bytesOf = (key: string): number => snapshot.knownBytes.get(key) ?? 0;
  let leastBytes = spec.vramBytes;
  for (const other of servers)
    if (other.state === 'up' && other.spec.vramBytes >= bytesOf(group.key))
      leastBytes = Math.min(leastBytes, other.spec.vramBytes);
  if (leastBytes === spec.vramBytes) return false;
  return queue.groups.some(({ key, requirement }) => {
    const needBytes = bytesOf(key);
    const fitsOnlyLarge = needBytes > leastBytes && needBytes <= spec.vramBytes;
    return requirement.kind === 'model' && fitsOnlyLarge && !queue.copies.has(key);
  });
};
