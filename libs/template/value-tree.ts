import type { SecretUse } from '#libs/domain/task/step-secrets.js';
import { ExpressionError } from './expression-error.js';
import {
  hasExpression,
  parseExpression,
  type Expression,
  type Piece,
  type Reference,
  type Scope,
} from './expression.js';

/** A value with expressions in it, taken apart once: what is constant is never looked at again. */
export type ValueTree =
  | { readonly kind: 'constant'; readonly value: unknown }
  | { readonly kind: 'expression'; readonly path: readonly string[]; readonly expression: Expression }
  | { readonly kind: 'list'; readonly items: readonly ValueTree[] }
  | { readonly kind: 'object'; readonly fields: readonly (readonly [string, ValueTree])[] };

/** An expression and where in the value it stands. */
export type ExpressionPlace = Extract<ValueTree, { kind: 'expression' }>;

/** An expression failed while the value was filled in. */
export class FillError extends Error {
  override readonly name = 'FillError';

  constructor(
    readonly path: readonly string[],
    readonly source: string,
    message: string,
  ) {
    super(message);
  }
}

/** Rejects a bad expression through `onError`, and takes its text as it stands. */
export const valueTree = (
  value: unknown,
  onError: (path: readonly string[], message: string, at: number | null) => void,
  path: readonly string[] = [],
): ValueTree => {
  if (typeof value === 'string' && hasExpression(value)) {
    try {
      return { kind: 'expression', path, expression: parseExpression(value) };
    } catch (error) {
      const at = error instanceof ExpressionError ? error.at : null;
      onError(path, error instanceof Error ? error.message : String(error), at);
      return { kind: 'constant', value };
    }
  }
  if (Array.isArray(value)) {
    const items = value.map((item, n) => valueTree(item, onError, [...path, String(n)]));
    return items.every(isConstant) ? { kind: 'constant', value } : { kind: 'list', items };
  }
  if (typeof value === 'object' && value !== null) {
    const fields = Object.entries(value).map(
      ([name, field]) => [name, valueTree(field, onError, [...path, name])] as const,
    );
    return fields.every(([, field]) => isConstant(field))
      ? { kind: 'constant', value }
      : { kind: 'object', fields };
  }
  return { kind: 'constant', value };
};

const isConstant = (tree: ValueTree): boolean => tree.kind === 'constant';

export const expressionsOf = (tree: ValueTree): readonly ExpressionPlace[] => {
  switch (tree.kind) {
    case 'constant':
      return [];
    case 'expression':
      return [tree];
    case 'list':
      return tree.items.flatMap(expressionsOf);
    case 'object':
      return tree.fields.flatMap(([, field]) => expressionsOf(field));
  }
};

/**
 * Fills in. A field whose expression gives null is left out, so that a parameter that was not given leaves the server's
 * default alone. Where references to secrets stand is added to `uses`. Throws `FillError`.
 */
export const fill = (tree: ValueTree, scope: Scope, uses: SecretUse[] = []): unknown => {
  switch (tree.kind) {
    case 'constant':
      return tree.value;
    case 'expression':
      return evaluate(tree, scope, uses);
    case 'list':
      return tree.items.map((item) => fill(item, scope, uses));
    case 'object': {
      const filled = tree.fields.map(([name, field]) => [name, field, fill(field, scope, uses)] as const);
      const kept = filled.filter(([, field, value]) => value !== null || field.kind !== 'expression');
      return Object.fromEntries(kept.map(([name, , value]) => [name, value]));
    }
  }
};

/** Fills in as far as it can be known: what is read by nothing but `known` names. The rest stays as its author wrote it. Throws `FillError`. */
export const fillKnown = (
  tree: ValueTree,
  scope: Scope,
  isKnown: (reference: Reference) => boolean,
): unknown => {
  switch (tree.kind) {
    case 'constant':
      return tree.value;
    case 'expression':
      return tree.expression.references.every(isKnown)
        ? evaluate(tree, scope)
        : knownText(tree, scope, isKnown);
    case 'list':
      return tree.items.map((item) => fillKnown(item, scope, isKnown));
    case 'object': {
      const filled = tree.fields.map(
        ([name, field]) => [name, field, fillKnown(field, scope, isKnown)] as const,
      );
      const kept = filled.filter(([, field, value]) => value !== null || field.kind !== 'expression');
      return Object.fromEntries(kept.map(([name, , value]) => [name, value]));
    }
  }
};

const knownText = (
  { path, expression }: ExpressionPlace,
  scope: Scope,
  isKnown: (reference: Reference) => boolean,
): string =>
  expression
    .pieces()
    .map((piece) =>
      piece.references.every(isKnown) ? String(evaluate({ path, expression: piece }, scope)) : piece.source,
    )
    .join('');

const evaluate = (
  { path, expression }: { readonly path: readonly string[]; readonly expression: Piece },
  scope: Scope,
  uses: SecretUse[] = [],
): unknown => {
  try {
    const placed = expression.place?.(scope);
    if (placed !== undefined) {
      uses.push(...placed.places.map(({ name, at }) => ({ name, path, at })));
      return placed.text;
    }
    return expression.evaluate(scope);
  } catch (error) {
    throw new FillError(path, expression.source, error instanceof Error ? error.message : String(error));
  }
};
