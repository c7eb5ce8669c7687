import { ApiPropertyOptional } from '@nestjs/swagger';
import { Validate, ValidatorConstraint, type ValidatorConstraintInterface } from 'class-validator';
import type { PastExplainRequest } from '#libs/contracts/explain.js';
import { utcOf } from './http/point-in-time.js';
import { ApiError } from './http/problem.js';
import { Optional } from './http/validation.js';

const SEQUENCE = /^[1-9]\d{0,14}$/;

@ValidatorConstraint({ name: 'pastMoment' })
class PastMomentConstraint implements ValidatorConstraintInterface {
  validate(value: unknown): boolean {
    return typeof value === 'string' && (SEQUENCE.test(value) || utcOf(value) !== null);
  }

  defaultMessage(): string {
    return 'must be a time of RFC 3339, such as 2026-01-31T12:00:00Z, or the sequence of an event, from 1';
  }
}

/** Query of `GET /tasks/{id}/explain`. */
export class ExplainDto {
  @ApiPropertyOptional({
    type: String,
    description:
      'A moment of the past: a time of RFC 3339, or the sequence of an event of the `TASKS` log, which then counts. Without it: now.',
  })
  @Optional()
  @Validate(PastMomentConstraint)
  at?: string;
}

/** The moment as results takes it. Throws for one that is yet to come. */
export const momentOf = (at: string, nowMs: number): PastExplainRequest['at'] => {
  if (SEQUENCE.test(at)) return { seq: Number(at) };
  const timeMs = Date.parse(utcOf(at) ?? '');
  if (timeMs <= nowMs) return { timeMs };
  const accepted = `a time until now, ${new Date(nowMs).toISOString()}`;
  throw new ApiError('VALIDATION_FAILED', `at '${at}' has not come yet; expected ${accepted}.`, [
    { path: 'at', value: at, message: 'has not come yet', accepted },
  ]);
};
