import { BUCKETS } from '#libs/contracts/streams.js';
import { integer } from '#libs/runtime/settings.js';

/** How long artifacts are kept, and how much they may take. The launcher makes the bucket of that size, results keeps to it. */
export const ARTIFACT_SETTINGS = {
  artifactsMaxBytes: integer({
    env: 'ORCHESTRA_ARTIFACTS_MAX_BYTES',
    meaning:
      'Most that the object store of artifacts may hold. From nine tenths on the oldest of tasks that are over are removed; what does not fit is refused.',
    fallback: BUCKETS.artifacts.maxBytes,
    min: 64 * 1024 * 1024,
    max: 1024 ** 5,
    unit: 'bytes',
  }),
  artifactsKeepMs: integer({
    env: 'ORCHESTRA_ARTIFACTS_KEEP_MS',
    meaning: 'How long artifacts are kept after the end of their task.',
    fallback: 30 * 24 * 60 * 60 * 1000,
    min: 1_000,
    max: 10 * 366 * 24 * 60 * 60 * 1000,
    unit: 'milliseconds',
  }),
  artifactsCheckMs: integer({
    env: 'ORCHESTRA_ARTIFACTS_CHECK_MS',
    meaning:
      'How often it is looked for artifacts that are to be removed, and for what is left of writers that died.',
    fallback: 60_000,
    min: 100,
    max: 86_400_000,
    unit: 'milliseconds',
  }),
};
