import { PROFILES_MAX, setLatest } from '../latest.js';
import { profileKey, type ModelProfile } from './profile.js';

/**
 * The most memory that loads of a profile really took, by `loadKey`. What is computed from a model's metadata leaves out what
 * only the server knows (buffers, cache type, layers with a window); what it once took is what it takes, on every server of that kind.
 */
export type ObservedBytes = Map<string, number>;

/** Loads with the same key take the same: a GPU and a CPU have other buffers, and each slot has a cache of its own. */
export const loadKey = (device: 'gpu' | 'cpu', profile: ModelProfile, slots: number): string =>
  `${device}|${slots}|${profileKey(profile)}`;

export const observeBytes = (observed: ObservedBytes, key: string, bytes: number): void =>
  setLatest(observed, key, Math.max(bytes, observed.get(key) ?? 0), PROFILES_MAX);
