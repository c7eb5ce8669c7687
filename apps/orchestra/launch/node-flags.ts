import type { ServiceName } from '#libs/contracts/subjects.js';

/**
 * What Node is started with, beyond what every service has.
 *
 * A forecast of the scheduler makes some megabytes that nobody needs a moment later, between decisions that make little. V8 would make
 * the room for new objects small again each time and fill it many times within one forecast, and decisions would wait for the collections:
 * at 16 MiB from the beginning their 99th percentile is half of that (`npm run bench:decision`). V8 takes this one as an argument only.
 */
export const nodeFlagsOf = (service: ServiceName): readonly string[] =>
  service === 'scheduler' ? ['--min-semi-space-size=16'] : [];
