import { isMap, isScalar, LineCounter, parseDocument, type Pair } from 'yaml';
import { durationMsOf, durationTextOf } from '#libs/domain/duration.js';
import { isId } from '#libs/domain/ids.js';
import { DEFAULT_POLICY, type PolicySettings } from '#libs/domain/policy/settings.js';
import { POLICY_FIELDS, type PolicyField } from './policy-fields.js';

/** The settings, with the defaults of what is not named; or every problem of the file with its line. */
export type PolicyFile =
  | { readonly ok: true; readonly policy: PolicySettings }
  | { readonly ok: false; readonly problems: readonly string[] };

/** Weights beyond it mean nothing but a mistake. */
const WEIGHT_MAX = 1_000;
const WORKSPACES_MAX = 10_000;

/**
 * ```yaml
 * aging: 60s
 * weights:
 *   team-a: 2
 * ```
 */
export const parsePolicyFile = (source: string, file: string): PolicyFile => {
  const lines = new LineCounter();
  const document = parseDocument(source, { lineCounter: lines });
  const problems: string[] = document.errors.map(({ message }) => `${file}: ${message}`);
  const at = (node: unknown): string => {
    const { line, col } = lines.linePos((node as { range?: readonly number[] } | null)?.range?.[0] ?? 0);
    return `${file}:${line}:${col}`;
  };
  const { contents } = document;
  if (contents !== null && !isMap(contents) && problems.length === 0)
    problems.push(`${file}: expected settings such as ${accepted}`);
  const read: Record<string, unknown> = {};
  for (const pair of isMap(contents) ? contents.items : []) {
    const found = readPair(pair);
    if ('problem' in found) problems.push(`${at(pair.key)}: ${found.problem}`);
    else read[found.key] = found.value;
  }
  return problems.length > 0
    ? { ok: false, problems }
    : { ok: true, policy: { ...DEFAULT_POLICY, ...(read as Partial<PolicySettings>) } };
};

const accepted = [...POLICY_FIELDS.map(({ name }) => name), 'weights'].join(', ');

type Read = { readonly key: string; readonly value: unknown } | { readonly problem: string };

const readPair = ({ key, value }: Pair): Read => {
  const name = isScalar(key) ? String(key.value) : String(key);
  if (name === 'weights') return readWeights(value);
  const field = POLICY_FIELDS.find((known) => known.name === name);
  if (field === undefined) return { problem: `unknown setting '${name}' — expected one of ${accepted}` };
  const number = isScalar(value) ? numberOf(field, value.value) : null;
  if (number !== null && number >= field.min && number <= field.max) return { key: field.key, value: number };
  const given = isScalar(value) ? JSON.stringify(value.value) : 'a list or a map';
  return { problem: `${name} ${given} — expected ${expectedOf(field)}` };
};

const expectedOf = ({ unit, min, max }: PolicyField): string =>
  unit === 'duration'
    ? `a duration such as 90s, 5m or 2h, from ${durationTextOf(min)} to ${durationTextOf(max)}`
    : `a ${unit === 'count' ? 'whole number' : 'number'} from ${min} to ${max}`;

const readWeights = (value: unknown): Read => {
  if (!isMap(value) || value.items.length > WORKSPACES_MAX)
    return { problem: `weights — expected a map from workspaces (${WORKSPACES_MAX} at most) to numbers` };
  const weights = value.toJSON() as Readonly<Record<string, unknown>>;
  for (const [workspace, weight] of Object.entries(weights)) {
    if (!isId(workspace) || typeof weight !== 'number' || !(weight > 0 && weight <= WEIGHT_MAX))
      return {
        problem: `weights: ${workspace}: ${JSON.stringify(weight)} — expected a workspace and a number above 0, up to ${WEIGHT_MAX}`,
      };
  }
  return { key: 'weights', value: weights };
};

const numberOf = ({ unit }: PolicyField, value: unknown): number | null => {
  if (unit === 'share') return typeof value === 'number' ? value : null;
  if (unit === 'count') return Number.isInteger(value) ? Number(value) : null;
  return durationMsOf(String(value));
};
