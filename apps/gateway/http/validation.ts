import { Injectable, type ArgumentMetadata, type PipeTransform, type Type } from '@nestjs/common';
import { plainToInstance } from 'class-transformer';
import { getMetadataStorage, ValidateIf, validateSync, type ValidationError } from 'class-validator';
import { isNestedWithin } from '#libs/template/nesting.js';
import { ApiError, shown, type FieldProblem } from './problem.js';

/** More problems of one request than this are not listed: the first ones are read, if any. */
export const PROBLEMS_MAX = 20;

/** Levels of a body, unless its DTO says another number: those of parameters, and the two around them. Deeper ones would exhaust the stack of who looks. */
const DEPTH_MAX = 18;

/** May be left out. Null is a value like any other, and mostly a wrong one. */
export const Optional = (): PropertyDecorator => ValidateIf((_, value) => value !== undefined);

/**
 * Makes a DTO of a body or a query and checks it: unknown fields and wrong values are refused, each named with what is
 * accepted. A body is taken as it is, field by field; only a query is converted, because all it has is text.
 */
@Injectable()
export class DtoPipe implements PipeTransform {
  transform(value: unknown, { metatype, type }: ArgumentMetadata): unknown {
    if (metatype === undefined || !isDto(metatype)) return value;
    const fields = acceptedFields(metatype).join(', ');
    if (typeof value !== 'object' || value === null || Array.isArray(value)) throw notAnObject(value, fields);
    const { depthMax = DEPTH_MAX } = metatype as { readonly depthMax?: number };
    if (!isNestedWithin(value, depthMax)) throw tooDeep(depthMax);
    const dto =
      type === 'query'
        ? plainToInstance(metatype as Type<object>, { ...value })
        : Object.assign(new (metatype as Type<object>)(), value);
    const problems = problemsIn(dto, fields, '');
    if (problems.length === 0) return dto;
    throw new ApiError('VALIDATION_FAILED', problems.map(({ message }) => message).join('; '), problems);
  }
}

/** What is wrong with a part of a body, which is checked as this DTO; `at` is where it stands, such as `tasks.draft`. */
export const partProblems = (metatype: Type<object>, value: unknown, at: string): readonly FieldProblem[] => {
  const fields = acceptedFields(metatype).join(', ');
  if (typeof value === 'object' && value !== null && !Array.isArray(value))
    return problemsIn(Object.assign(new metatype(), value), fields, `${at}.`);
  const accepted = `an object with fields of: ${fields}`;
  const message = `${at} is ${JSON.stringify(shown(value))}; expected ${accepted}`;
  return [{ path: at, value: shown(value), message, accepted }];
};

const problemsIn = (dto: object, fields: string, prefix: string): readonly FieldProblem[] =>
  validateSync(dto, {
    whitelist: true,
    forbidNonWhitelisted: true,
    forbidUnknownValues: true,
    stopAtFirstError: true,
  })
    .slice(0, PROBLEMS_MAX)
    .flatMap((error) => problemsOf(error, fields, prefix));

const isDto = (metatype: unknown): boolean =>
  typeof metatype === 'function' && acceptedFields(metatype).length > 0;

const known = new Map<unknown, readonly string[]>();

/** Fields that a DTO class accepts: those that it checks. */
const acceptedFields = (metatype: unknown): readonly string[] => {
  const before = known.get(metatype);
  if (before) return before;
  const checks = getMetadataStorage().getTargetValidationMetadatas(metatype as Type, '', false, false);
  const fields = [...new Set(checks.map(({ propertyName }) => propertyName))];
  known.set(metatype, fields);
  return fields;
};

const notAnObject = (value: unknown, fields: string): ApiError => {
  const found = value === undefined || value === null ? 'is missing' : `is ${JSON.stringify(shown(value))}`;
  const accepted = `a JSON object with fields of: ${fields}`;
  const problem = {
    path: 'body',
    value: shown(value),
    message: `the body ${found}; expected ${accepted}`,
    accepted,
  };
  return new ApiError('VALIDATION_FAILED', `The body ${found}; expected ${accepted}.`, [problem]);
};

const tooDeep = (depthMax: number): ApiError => {
  const accepted = `up to ${depthMax} levels of objects and lists`;
  return new ApiError('VALIDATION_FAILED', `The body nests too deeply; accepted: ${accepted}.`, [
    { path: 'body', message: 'the body nests too deeply', accepted },
  ]);
};

const problemsOf = (error: ValidationError, fields: string, prefix: string): readonly FieldProblem[] => {
  const path = `${prefix}${String(shown(error.property))}`;
  const value = shown(error.value);
  return Object.entries(error.constraints ?? {}).map(([rule, message]): FieldProblem => {
    if (rule === 'whitelistValidation') {
      return { path, value, message: `${path} is not a field; accepted: ${fields}`, accepted: fields };
    }
    const found = error.value === undefined ? 'it is missing' : `not ${JSON.stringify(value)}`;
    return { path, value, message: `${path} ${message}, ${found}`, accepted: message };
  });
};
