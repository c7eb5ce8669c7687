/**
 * Patterns of paths: `*` and `?` within a name, `**` for any number of folders. Names that begin with a dot are only met by a pattern that
 * says so, as in a shell. Nothing else has a meaning, so matching takes a time that is bounded by pattern times path.
 */
export const matchesGlob = (pattern: readonly string[], path: readonly string[]): boolean => {
  // Row by row: which beginnings of the path each beginning of the pattern meets.
  let met = [true, ...path.map(() => false)];
  for (const part of pattern) {
    const next = met.map(() => false);
    if (part === '**') {
      let reached = false;
      for (const [n, before] of met.entries()) {
        if (n > 0 && path[n - 1]?.startsWith('.')) reached = false;
        reached ||= before;
        next[n] = reached;
      }
    } else {
      for (let n = 1; n < met.length; n += 1)
        next[n] = met[n - 1] === true && matchesName(part, path[n - 1] ?? '');
    }
    met = next;
  }
  return met.at(-1) === true;
};

/** Two pointers and the last star: linear in pattern times name. */
const matchesName = (pattern: string, name: string): boolean => {
  if (name.startsWith('.') && !pattern.startsWith('.')) return false;
  let [p, n] = [0, 0];
  let star = -1;
  let resume = 0;
  while (n < name.length) {
    if (pattern[p] === '*') {
      star = p;
      resume = n;
      p += 1;
    } else if (p < pattern.length && (pattern[p] === '?' || pattern[p] === name[n])) {
      p += 1;
      n += 1;
    } else if (star >= 0) {
      p = star + 1;
      resume += 1;
      n = resume;
    } else return false;
  }
  while (pattern[p] === '*') p += 1;
  return p === pattern.length;
};
