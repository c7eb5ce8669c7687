import { applyDecorators } from '@nestjs/common';
import { ApiPropertyOptional } from '@nestjs/swagger';
import { Transform } from 'class-transformer';
import { IsInt, IsString, Max, MaxLength, Min } from 'class-validator';
import { Optional } from './validation.js';

/** A query is text; what is no whole number is left as it is, and refused by its check. */
export const whole = ({ value }: { value: unknown }): unknown =>
  typeof value === 'string' && /^-?\d{1,15}$/.test(value) ? Number(value) : value;

/** Field of a query: how many are listed at most, from 1. */
export const HowMany = (max: number, fallback: number, description?: string): PropertyDecorator => {
  const message = `must be a whole number from 1 to ${max}`;
  const said = description === undefined ? {} : { description };
  return applyDecorators(
    ApiPropertyOptional({ minimum: 1, maximum: max, default: fallback, ...said }),
    Optional(),
    Transform(whole),
    IsInt({ message }),
    Min(1, { message }),
    Max(max, { message }),
  );
};

/** Longer than any cursor that lists of tasks give. */
const CURSOR_MAX_CHARS = 512;

/** Field of a query: where the page begins, as an earlier page says it. */
export const Cursor = (of: 'next' | 'previous', maxChars = CURSOR_MAX_CHARS): PropertyDecorator => {
  const message = 'must be the cursor of an earlier page';
  return applyDecorators(
    ApiPropertyOptional({ description: `Cursor \`${of}\` of an earlier page.` }),
    Optional(),
    IsString({ message }),
    MaxLength(maxChars, { message }),
  );
};
