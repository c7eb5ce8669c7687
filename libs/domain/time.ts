/**
 * Milliseconds since 1970 of `YYYY-MM-DDTHH:MM:SS.mmmZ` or the same without milliseconds, by the days-from-civil formula (Howard Hinnant,
 * "chrono-compatible low-level date algorithms"): the domain has no clock and no Date.
 */
export const msOf = (rfc3339: string): number => {
  const part = (from: number, to: number): number => digits(rfc3339, from, to);
  const month = part(5, 7);
  const year = part(0, 4) - (month <= 2 ? 1 : 0);
  const era = Math.floor(year / 400);
  const yearOfEra = year - era * 400;
  const dayOfYear = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + part(8, 10) - 1;
  const dayOfEra = yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear;
  const days = era * 146_097 + dayOfEra - 719_468;
  const ms = rfc3339.length > SECONDS_LENGTH ? part(20, 23) : 0;
  return ((days * 24 + part(11, 13)) * 60 + part(14, 16)) * 60_000 + part(17, 19) * 1000 + ms;
};

/** Length of a time without a fraction of a second. */
const SECONDS_LENGTH = 'YYYY-MM-DDTHH:MM:SSZ'.length;

/** Without making a text of them first: a decision looks at hundreds of times. NaN for anything but digits. */
const digits = (text: string, from: number, to: number): number => {
  let value = 0;
  for (let place = from; place < to; place += 1) {
    const digit = text.charCodeAt(place) - 48;
    value = digit >= 0 && digit <= 9 ? value * 10 + digit : Number.NaN;
  }
  return value;
};

/** The same the other way (civil-from-days). */
export const rfc3339Of = (ms: number): string => {
  const days = Math.floor(ms / 86_400_000);
  const inDay = ms - days * 86_400_000;
  const shifted = days + 719_468;
  const era = Math.floor(shifted / 146_097);
  const dayOfEra = shifted - era * 146_097;
  const yearOfEra = Math.floor(
    (dayOfEra -
      Math.floor(dayOfEra / 1460) +
      Math.floor(dayOfEra / 36_524) -
      Math.floor(dayOfEra / 146_096)) /
      365,
  );
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const shiftedMonth = Math.floor((5 * dayOfYear + 2) / 153);
  const day = dayOfYear - Math.floor((153 * shiftedMonth + 2) / 5) + 1;
  const month = shiftedMonth + (shiftedMonth < 10 ? 3 : -9);
  const year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0);
  const pad = (value: number, width: number): string => String(value).padStart(width, '0');
  const time = [
    Math.floor(inDay / 3_600_000),
    Math.floor(inDay / 60_000) % 60,
    Math.floor(inDay / 1000) % 60,
  ];
  const clock = time.map((value) => pad(value, 2)).join(':');
  return `${pad(year, 4)}-${pad(month, 2)}-${pad(day, 2)}T${clock}.${pad(inDay % 1000, 3)}Z`;
};
