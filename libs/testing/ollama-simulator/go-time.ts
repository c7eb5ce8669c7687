/** Times and durations as Go writes and reads them, because the real server is written in Go. */

const UNIT_MS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  μs: 1e-3,
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
};

/** Milliseconds of a Go duration (`1h15m30.5s`), or the sentence with which Go refuses it. */
export const parseGoDuration = (text: string): number | { readonly error: string } => {
  const quoted = JSON.stringify(text);
  const sign = text.startsWith('-') ? -1 : 1;
  let rest = text.replace(/^[+-]/, '');
  if (rest === '0') return 0;
  if (rest === '') return { error: `time: invalid duration ${quoted}` };
  let total = 0;
  while (rest !== '') {
    const number = /^(\d+\.?\d*|\.\d+)/.exec(rest)?.[0];
    if (number === undefined) return { error: `time: invalid duration ${quoted}` };
    rest = rest.slice(number.length);
    const unit = /^[^\d.]+/.exec(rest)?.[0];
    if (unit === undefined) return { error: `time: missing unit in duration ${quoted}` };
    const unitMs = UNIT_MS[unit];
    if (unitMs === undefined)
      return { error: `time: unknown unit ${JSON.stringify(unit)} in duration ${quoted}` };
    total += Number(number) * unitMs;
    rest = rest.slice(unit.length);
  }
  return sign * total;
};

/** RFC 3339 with nanoseconds, trailing zeros left out; the clock has microseconds, the rest is made up from it. */
export const goTimestamp = (date: Date, fractionMs = 0): string => {
  const micros = Math.floor(fractionMs * 1e6) % 1e6;
  const digits = `${date.toISOString().slice(20, 23)}${String(micros).padStart(6, '0')}`.replace(/0+$/, '');
  const seconds = date.toISOString().slice(0, 19);
  return digits === '' ? `${seconds}Z` : `${seconds}.${digits}Z`;
};

export const nowTimestamp = (): string => {
  const now = performance.timeOrigin + performance.now();
  return goTimestamp(new Date(Math.floor(now)), now - Math.floor(now));
};

export const nanoseconds = (ms: number): number => Math.round(ms * 1e6);
