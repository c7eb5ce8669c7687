import { ValidatorConstraint, type ValidatorConstraintInterface } from 'class-validator';

/** RFC 3339 with up to the nanoseconds that others write; what is behind the milliseconds is cut off. */
const TIME =
  /^(\d{4})-(\d{2})-(\d{2})[Tt]([01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,9})?(?:[Zz]|[+-](?:[01]\d|2[0-3]):[0-5]\d)$/;

/** A leap year ahead: longer plans are a calendar's, not a queue's. */
export const AHEAD_MAX_MS = 366 * 24 * 60 * 60 * 1000;

/** The moment in UTC with milliseconds, as events have it; null for text that is no time. */
export const utcOf = (text: string): string | null => {
  const [, year, month, day] = TIME.exec(text) ?? [];
  if (year === undefined || !isDate(Number(year), Number(month), Number(day))) return null;
  const ms = Date.parse(text.toUpperCase());
  // An offset can move the first and the last day of the calendar out of the years that events can write.
  const utc = Number.isFinite(ms) ? new Date(ms).toISOString() : '';
  return /^\d{4}-/.test(utc) ? utc : null;
};

/** A date that is there: `Date` would take the 31st of February for one in March. */
const isDate = (year: number, month: number, day: number): boolean => {
  const date = new Date(Date.UTC(year, month - 1, day));
  return date.getUTCMonth() === month - 1 && date.getUTCDate() === day;
};

/** A time of RFC 3339. How far ahead it may be is checked where there is a clock. */
@ValidatorConstraint({ name: 'pointInTime' })
export class PointInTimeConstraint implements ValidatorConstraintInterface {
  validate(value: unknown): boolean {
    return typeof value === 'string' && utcOf(value) !== null;
  }

  defaultMessage(): string {
    return 'must be a time of RFC 3339, such as 2026-01-31T12:00:00Z or 2026-01-31T13:00:00+01:00';
  }
}
