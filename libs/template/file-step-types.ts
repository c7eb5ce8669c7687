import { ARTIFACT_NAME_ACCEPTED } from '#libs/domain/task/artifact.js';
import type { JsonSchema } from './compiled-template.js';

/** Steps that touch files and programs: in the workspace of their task, on the machine of the executor that runs them. */

/** The longest argument that Linux accepts has 128 KiB. */
const ARGUMENT_MAX_CHARS = 32_768;

/** No system accepts a NUL in a path, an argument or a variable. */
const text = (maxLength: number, description: string): JsonSchema => ({
  type: 'string',
  maxLength,
  pattern: '^[^\\u0000]*$',
  description,
});

const path = (description: string): JsonSchema => ({ ...text(4096, description), minLength: 1 });

const artifact = (description: string): JsonSchema => ({
  ...text(256, `${description}: <task>/<name>, or the <name> alone for one of the same task`),
  minLength: 1,
});

const timeoutMs: JsonSchema = {
  type: 'integer',
  minimum: 100,
  maximum: 86_400_000,
  description: 'Milliseconds after which everything that it started is ended',
};

const properties = (
  required: readonly string[],
  fields: Readonly<Record<string, JsonSchema>>,
): JsonSchema => ({ type: 'object', properties: fields, required, additionalProperties: false });

export const FILE_STEP_TYPES = [
  {
    name: 'execute_script',
    description: 'Runs a script in a sandbox; only the workspace of the task is writable there.',
    needs: 'cpu',
    input: properties(['interpreter'], {
      interpreter: {
        type: 'string',
        maxLength: 32,
        pattern: '^[a-z0-9][a-z0-9._+-]*$',
        description: 'A program that the executor allows, such as bash, sh, python3 or node',
      },
      script: text(524_288, 'The text of the script'),
      path: path('Or its file in the workspace'),
      cwd: path('Working folder in the workspace; default: the workspace'),
      args: {
        type: 'array',
        items: text(ARGUMENT_MAX_CHARS, 'One argument, as it is'),
        maxItems: 256,
      },
      stdin: { type: 'string', maxLength: 524_288 },
      env: {
        type: 'object',
        propertyNames: { pattern: '^[A-Za-z_][A-Za-z0-9_]{0,127}$' },
        additionalProperties: text(ARGUMENT_MAX_CHARS, 'A value, as it is'),
        maxProperties: 128,
        description: 'Variables, beside PATH, HOME, TMPDIR and LANG',
      },
      timeout_ms: { ...timeoutMs, default: 60_000 },
      max_output_bytes: {
        type: 'integer',
        minimum: 0,
        maximum: 262_144,
        description: 'Bytes of stdout and of stderr that are kept',
      },
      network: { type: 'boolean', description: 'Ask for the network, which the executor may refuse' },
      allow_failure: { type: 'boolean', description: 'An exit code other than 0 is no failure' },
    }),
    secretFields: ['env', 'stdin'],
    output: '{exit_code, stdout, stderr, truncated, sandboxed, duration_ms}',
  },
  {
    name: 'git_clone',
    description: 'Fetches one commit of a repository into the workspace; no hooks, no submodules.',
    needs: 'cpu',
    input: properties(['repo_url'], {
      repo_url: { ...text(2048, 'https://host/path, without credentials'), minLength: 1 },
      ref: {
        type: 'string',
        maxLength: 256,
        pattern: '^[A-Za-z0-9_][A-Za-z0-9._/+@-]*$',
        description: 'Branch, tag or commit; default: what the repository shows first',
      },
      depth: {
        type: 'integer',
        minimum: 0,
        maximum: 1_000_000,
        description: 'Commits of history; 0: all, default 1',
      },
      path: path('Folder in the workspace that is made; default: repo'),
      credentials: {
        ...properties(['password'], {
          username: { ...text(256, 'Default: git'), pattern: '^[^\\u0000-\\u001f:]+$' },
          password: { ...text(16_384, 'A password or a token, from a secret'), minLength: 1 },
        }),
        description: 'Sent to the host of the URL, for https only',
      },
      timeout_ms: { ...timeoutMs, default: 300_000 },
    }),
    secretFields: ['credentials'],
    secretOnly: [['credentials', 'password']],
    output: '{path, commit, files, bytes, sandboxed}',
  },
  {
    name: 'read_files',
    description:
      'Reads files of the workspace, or of folders that the executor opens to reading, and artifacts.',
    needs: 'cpu',
    input: properties([], {
      paths: { type: 'array', items: path('A file'), maxItems: 1000 },
      globs: {
        type: 'array',
        items: { ...path('Such as src/**/*.py'), maxLength: 512 },
        maxItems: 32,
      },
      artifacts: {
        type: 'array',
        items: artifact('An artifact'),
        maxItems: 1000,
        description: 'Artifacts, which are read first',
      },
      encoding: { enum: ['auto', 'utf-8', 'utf-16le', 'utf-16be', 'latin-1', 'base64', 'pdf'] },
      max_bytes: {
        type: 'integer',
        minimum: 1,
        maximum: 900_000,
        description: 'Bytes that are read of all files together; default 262144',
      },
      max_files: { type: 'integer', minimum: 1, maximum: 1000, description: 'Default 100' },
    }),
    output: '{files: [{path, text or base64, bytes, encoding, truncated?}], truncated}',
  },
  {
    name: 'store_result',
    description:
      'Stores a value, or a file of the workspace, as an artifact of the task: large data, by name.',
    needs: 'cpu',
    input: properties(['name'], {
      name: {
        type: 'string',
        pattern: '^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$',
        description: `Its name in the task: ${ARTIFACT_NAME_ACCEPTED}; one that is stored again takes the place of the first`,
      },
      content: { description: 'A text, as it is, or any value, stored as JSON' },
      from_file: path('Or a file of the workspace, of up to a gigabyte'),
      content_type: {
        type: 'string',
        maxLength: 255,
        pattern:
          '^[\\w!#$&^.+-]{1,64}/[\\w!#$&^.+-]{1,64}(?:; ?[\\w!#$&^.+-]{1,64}=[\\w!#$&^.+-]{1,64}){0,4}$',
        description: 'Default: what the name says, such as text/csv for table.csv',
      },
    }),
    output: '{artifact: {reference, name, size_bytes, digest, content_type}}',
  },
  {
    name: 'write_file',
    description: 'Writes a file of the workspace, with the folders above it.',
    needs: 'cpu',
    input: properties(['path'], {
      path: path('Where, in the workspace'),
      text: { type: 'string' },
      base64: { type: 'string', description: 'Or bytes' },
      json: { description: 'Or any value, written as JSON' },
      artifact: artifact('Or an artifact, of whatever size'),
      append: { type: 'boolean' },
      mode: { type: 'string', pattern: '^0?[0-7]{3}$', description: 'Default 644' },
    }),
    output: '{path, bytes, sha256}',
  },
] as const satisfies readonly {
  readonly name: string;
  readonly description: string;
  readonly needs: 'cpu';
  readonly input: JsonSchema;
  readonly secretFields?: readonly string[];
  readonly secretOnly?: readonly (readonly string[])[];
  readonly output: string;
}[];

/** After one of these a later step may look for files that it made. */
export const FILE_MAKING_TYPES: ReadonlySet<string> = new Set(['execute_script', 'git_clone', 'write_file']);
