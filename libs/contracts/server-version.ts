/** Negative, 0 or positive, by the three numbers of nats-server's version. */
export const compareVersions = (a: string, b: string): number => {
  const [left, right] = [a, b].map((version) => version.split('.').map(Number)) as [number[], number[]];
  for (const place of [0, 1, 2]) {
    const difference = (left[place] ?? 0) - (right[place] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
};

/** Whether a consumer may have several subject filters. Release notes of nats-server 2.10.0. */
export const hasSeveralFilters = (version: string): boolean => compareVersions(version, '2.10.0') >= 0;
