import { canonicalJson } from '#libs/domain/canonical.js';
import type { CompiledTemplate } from './compiled-template.js';
import { pathText } from './schema-check.js';

/** One place at which two versions of a template differ. */
export type TemplateDifference = {
  /** Such as `steps.fetch.with.url`: steps go by their ids. */
  readonly path: string;
  readonly kind: 'added' | 'removed' | 'changed';
  /** Absent for what was added. */
  readonly before?: unknown;
  /** Absent for what was removed. */
  readonly after?: unknown;
};

/** What an author would have to change to get from one version to the other, in the order of the file. */
export const templateDiff = (
  before: CompiledTemplate,
  after: CompiledTemplate,
): readonly TemplateDifference[] => differences([], written(before), written(after));

/** What the author wrote; the rest is made from it. Steps by id, so that one that is put in between is one difference. */
const written = ({
  name,
  description,
  parameters,
  steps,
  output,
  outputs,
  finally: atEnd = [],
  finally_timeout,
}: CompiledTemplate): Mapping => ({
  name,
  description,
  parameters,
  steps: byId(steps),
  finally: atEnd.length === 0 ? undefined : byId(atEnd),
  finally_timeout,
  output: output ?? undefined,
  outputs,
  // Which order the steps have says what is the result without `output`.
  order: steps.map(({ id }) => id),
});

const byId = (steps: CompiledTemplate['steps']): Mapping =>
  Object.fromEntries(steps.map(({ id, ...step }) => [id, step]));

type Mapping = Readonly<Record<string, unknown>>;

const differences = (
  path: readonly string[],
  before: unknown,
  after: unknown,
): readonly TemplateDifference[] => {
  if (isMapping(before) && isMapping(after)) {
    const names = [...new Set([...Object.keys(before), ...Object.keys(after)])];
    return names.flatMap((name) => differences([...path, name], before[name], after[name]));
  }
  if (before === undefined && after === undefined) return [];
  const at = pathText('', path);
  if (before === undefined) return [{ path: at, kind: 'added', after }];
  if (after === undefined) return [{ path: at, kind: 'removed', before }];
  return canonicalJson(before) === canonicalJson(after) ? [] : [{ path: at, kind: 'changed', before, after }];
};

const isMapping = (value: unknown): value is Mapping =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
