/** An object as the API shows it: names in snake case, and times as text: `againAtMs: 0` becomes `again_at: '1970-…'`. */
export const asApiData = (value: object): Readonly<Record<string, unknown>> =>
  Object.fromEntries(
    Object.entries(value).map(([name, member]): [string, unknown] =>
      TIME.test(name)
        ? [snake(name.slice(0, -2)), typeof member === 'number' ? new Date(member).toISOString() : member]
        : [snake(name), shown(member)],
    ),
  );

const TIME = /(At|ntil|By)Ms$|^atMs$/;

const shown = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(shown);
  return typeof value === 'object' && value !== null ? asApiData(value) : value;
};

const snake = (name: string): string => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
