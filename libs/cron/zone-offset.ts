const formats = new Map<string, Intl.DateTimeFormat>();

const formatOf = (timeZone: string): Intl.DateTimeFormat => {
  const known = formats.get(timeZone);
  if (known) return known;
  const format = new Intl.DateTimeFormat('en-US', {
    timeZone,
    hourCycle: 'h23',
    era: 'short',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
    second: 'numeric',
  });
  formats.set(timeZone, format);
  return format;
};

/** IANA names are such as `Europe/Berlin`; offsets such as `+01:00`, which some runtimes take too, know no summer. */
const NAME = /^[A-Za-z][A-Za-z0-9_+/-]{0,63}$/;

export const isTimeZone = (name: string): boolean => {
  if (!NAME.test(name)) return false;
  try {
    formatOf(name);
    return true;
  } catch {
    return false;
  }
};

/** What the clocks of a zone are ahead of UTC at a moment, in milliseconds, by the zone data of this Node. */
export const zoneOffsetMs = (timeZone: string, atMs: number): number => {
  if (timeZone === 'UTC') return 0;
  // Of a whole second: clocks show no smaller part.
  const wholeMs = Math.floor(atMs / 1000) * 1000;
  const shown: Record<string, number> = {};
  for (const { type, value } of formatOf(timeZone).formatToParts(wholeMs))
    if (type !== 'literal' && type !== 'era') shown[type] = Number(value);
  const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = shown;
  return Date.UTC(year, month - 1, day, hour, minute, second) - wholeMs;
};
