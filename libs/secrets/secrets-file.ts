import { LineCounter, parseDocument, isMap, isScalar, type Pair } from 'yaml';
import { isId } from '#libs/domain/ids.js';
import { SECRET_NAME, SECRET_NAME_ACCEPTED } from '#libs/domain/task/step-secrets.js';

/** Who may use a secret. */
export type SecretGrant = {
  /** Names of templates; `*` for every one. */
  readonly templates: readonly string[];
  readonly workspaces: readonly string[];
};

/** Grants by the names of secrets, or every problem of the file with its line. */
export type SecretsFile =
  | { readonly ok: true; readonly grants: ReadonlyMap<string, SecretGrant> }
  | { readonly ok: false; readonly problems: readonly string[] };

export const EVERY = '*';
const SECRETS_MAX = 10_000;
const NAMES_MAX = 1_000;
const FIELDS = ['templates', 'workspaces'] as const;
const EXPECTED = 'expected `templates: [name, …]`, and `workspaces: [name, …]` where not every workspace may';

/**
 * ```yaml
 * secrets:
 *   github_token:
 *     templates: [git-script-execution]   # ['*'] for every template
 *     workspaces: [team-a]                # without it: every workspace
 * ```
 */
export const parseSecretsFile = (source: string, file: string): SecretsFile => {
  const lines = new LineCounter();
  const document = parseDocument(source, { lineCounter: lines });
  const problems: string[] = document.errors.map(({ message }) => `${file}: ${message}`);
  if (problems.length > 0) return { ok: false, problems };
  const { contents } = document;
  const secrets = isMap(contents) ? contents.get('secrets', true) : undefined;
  const others = isMap(contents) ? contents.items.filter(({ key }) => nameOf(key) !== 'secrets') : [];
  if (contents !== null && (!isMap(secrets) || others.length > 0 || secrets.items.length > SECRETS_MAX))
    return {
      ok: false,
      problems: [`${file}: expected a map under 'secrets', of ${SECRETS_MAX} names at most`],
    };
  const grants = new Map<string, SecretGrant>();
  for (const pair of isMap(secrets) ? secrets.items : []) {
    const read = grantOf(pair);
    if ('grant' in read) grants.set(read.name, read.grant);
    else {
      const offset = (pair.key as { range?: readonly number[] } | null)?.range?.[0] ?? 0;
      const { line, col } = lines.linePos(offset);
      problems.push(`${file}:${line}:${col}: ${read.problem}`);
    }
  }
  return problems.length > 0 ? { ok: false, problems } : { ok: true, grants };
};

const nameOf = (key: unknown): string => String(isScalar(key) ? key.value : key);

type Read = { readonly name: string; readonly grant: SecretGrant } | { readonly problem: string };

const grantOf = ({ key, value }: Pair): Read => {
  const name = nameOf(key);
  if (!SECRET_NAME.test(name))
    return { problem: `'${name}' is no name of a secret — expected ${SECRET_NAME_ACCEPTED}` };
  if (!isMap(value)) return { problem: `${name} — ${EXPECTED}` };
  const fields = value.toJSON() as Readonly<Record<string, unknown>>;
  const unknown = Object.keys(fields).find((field) => !FIELDS.some((known) => known === field));
  if (unknown !== undefined)
    return { problem: `${name}: unknown field '${unknown}' — expected ${FIELDS.join(', ')}` };
  const { templates, workspaces = [EVERY] } = fields;
  if (!isNames(templates) || !isNames(workspaces)) return { problem: `${name} — ${EXPECTED}` };
  return { name, grant: { templates, workspaces } };
};

const isNames = (value: unknown): value is readonly string[] =>
  Array.isArray(value) &&
  value.length <= NAMES_MAX &&
  value.every((name) => typeof name === 'string' && (name === EVERY || isId(name)));
