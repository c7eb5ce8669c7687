const UNITS_MS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** Milliseconds of a duration that somebody wrote, such as `90s`, `5m` or `1.5h`; null for what is none. */
export const durationMsOf = (text: string): number | null => {
  const match = /^(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)$/.exec(text.trim());
  return match ? Number(match[1]) * UNITS_MS[match[2] as keyof typeof UNITS_MS] : null;
};

/** `90s` for 90,000: the largest unit that gives a whole number. */
export const durationTextOf = (ms: number): string => {
  const [unit, unitMs] = Object.entries(UNITS_MS).findLast(([, of]) => ms >= of && ms % of === 0) ?? [
    'ms',
    1,
  ];
  return `${ms / unitMs}${unit}`;
};
