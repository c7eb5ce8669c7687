/** Sets an entry as the newest of a map, and forgets the oldest beyond so many: what is learned of names that others choose must not grow for ever. */
export const setLatest = <Key, Value>(map: Map<Key, Value>, key: Key, value: Value, max: number): void => {
  // A map keeps an old key's place: out and in again, so that the one that was set longest ago is first.
  map.delete(key);
  map.set(key, value);
  for (const oldest of map.keys()) {
    if (map.size <= max) return;
    map.delete(oldest);
  }
};

/** Profiles of models of which something is remembered; one that is forgotten is estimated again. */
export const PROFILES_MAX = 1_000;
