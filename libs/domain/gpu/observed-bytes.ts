import { profileKey, type ModelProfile } from './profile.js';

/**
 * The most memory that loads of a profile really took, by `loadKey`. What is computed from a model's metadata leaves out what
 * only the server knows (buffers, cache type, layers with a window); what it once took is what it takes, on every server of that kind.
 */
export type ObservedBytes = Map<string, number>;

/** Profiles that are remembered; the one that was seen longest ago is forgotten first, and estimated again. */
const OBSERVED_MAX = 1_000;

/** Loads with the same key take the same: a GPU and a CPU have other buffers, and each slot has a cache of its own. */
export const loadKey = (device: 'gpu' | 'cpu', profile: ModelProfile, slots: number): string =>
  `${device}|${slots}|${profileKey(profile)}`;

export const observeBytes = (observed: ObservedBytes, key: string, bytes: number): void => {
  const most = Math.max(bytes, observed.get(key) ?? 0);
  observed.delete(key);
  observed.set(key, most);
  for (const oldest of observed.keys()) {
    if (observed.size <= OBSERVED_MAX) return;
    observed.delete(oldest);
  }
};
