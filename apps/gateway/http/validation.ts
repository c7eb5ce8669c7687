import { ValidationPipe, type ValidationError } from '@nestjs/common';
import { ApiError, shown, type FieldProblem } from './problem.js';

/** More problems of one request than this are not listed: the first ones are read, if any. */
const PROBLEMS_MAX = 20;

/** Refuses unknown fields and wrong values, naming each with what is accepted. */
export const validationPipe = (): ValidationPipe =>
  new ValidationPipe({
    whitelist: true,
    forbidNonWhitelisted: true,
    transform: true,
    forbidUnknownValues: true,
    stopAtFirstError: true,
    // The class that was validated names the fields that it accepts; it is not shown to anyone.
    validationError: { target: true, value: true },
    exceptionFactory: (errors) => {
      const problems = errors.flatMap((error) => flatten(error, '')).slice(0, PROBLEMS_MAX);
      return new ApiError('VALIDATION_FAILED', problems.map(({ message }) => message).join('; '), problems);
    },
  });

const flatten = (error: ValidationError, prefix: string): readonly FieldProblem[] => {
  const path = prefix === '' ? error.property : `${prefix}.${error.property}`;
  const own = Object.entries(error.constraints ?? {}).map(([rule, message]): FieldProblem => {
    if (rule === 'whitelistValidation') {
      const accepted = fieldsOf(error.target);
      return {
        path,
        value: shown(error.value),
        message: `${path} is not a field; accepted: ${accepted}`,
        accepted,
      };
    }
    const value = shown(error.value);
    return { path, value, message: `${path} ${message}, not ${JSON.stringify(value)}`, accepted: message };
  });
  return [...own, ...(error.children ?? []).flatMap((child) => flatten(child, path))];
};

/** Fields that a DTO class accepts; each class lists them. */
const fieldsOf = (target: object | undefined): string => {
  const listed = (target?.constructor as { readonly fields?: readonly string[] } | undefined)?.fields;
  return listed ? listed.join(', ') : 'none';
};
