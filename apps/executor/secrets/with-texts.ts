/** A place in a text of a value. */
export type TextPlace = { readonly path: readonly string[]; readonly at: number };

/** What is to stand there instead of so many characters. */
export type Replacement = { readonly length: number; readonly text: string };

/** A copy of a value with pieces of its texts replaced. Whatever is replaced, the other places stay where they were. */
export const withTexts = <P extends TextPlace>(
  value: Readonly<Record<string, unknown>>,
  places: readonly P[],
  replace: (place: P, text: string) => Replacement,
): Readonly<Record<string, unknown>> =>
  copyOf(value, places, 0, replace) as Readonly<Record<string, unknown>>;

const copyOf = <P extends TextPlace>(
  value: unknown,
  places: readonly P[],
  depth: number,
  replace: (place: P, text: string) => Replacement,
): unknown => {
  if (places.length === 0) return value;
  if (typeof value === 'string') return replaced(value, places, replace);
  if (typeof value !== 'object' || value === null) return value;
  const copied = Object.entries(value).map(([name, item]) => {
    const inside = places.filter(({ path }) => path[depth] === name);
    return [name, copyOf(item, inside, depth + 1, replace)] as const;
  });
  return Array.isArray(value) ? copied.map(([, item]) => item) : Object.fromEntries(copied);
};

/** From the last to the first, so that no place moves before its turn. */
const replaced = <P extends TextPlace>(
  given: string,
  places: readonly P[],
  replace: (place: P, text: string) => Replacement,
): string => {
  let text = given;
  for (const place of places.toSorted((a, b) => b.at - a.at)) {
    const { length, text: value } = replace(place, given);
    text = text.slice(0, place.at) + value + text.slice(place.at + length);
  }
  return text;
};
