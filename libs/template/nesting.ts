/** Whether a value nests no deeper than that. By a stack of its own: what is too deep must not exhaust the one that looks. */
export const isNestedWithin = (value: unknown, depthMax: number): boolean => {
  const open: { readonly value: unknown; readonly depth: number }[] = [{ value, depth: 0 }];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (typeof next.value !== 'object' || next.value === null) continue;
    if (next.depth > depthMax) return false;
    for (const item of Object.values(next.value)) open.push({ value: item, depth: next.depth + 1 });
  }
  return true;
};
