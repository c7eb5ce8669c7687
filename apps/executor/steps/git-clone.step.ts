import { mkdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import type { ProgramEnd, ProgramRunner } from '../sandbox/program-runner.js';
import type { Redactor } from '#libs/secrets/redactor.js';
import { StepError } from '../step-error.js';
import type { StepRunner } from '../step-runner.js';
import { diskUsage } from '../workspace/disk-usage.js';
import { inFolder } from '../workspace/held-directory.js';
import { fileFailure, quoted, segmentsOf } from '../workspace/inside-path.js';
import type { Workspace } from '../workspace/workspace.js';
import { GIT_LEAST } from './find-git.js';
import { gitAddress, type GitAddress, type GitPolicy } from './git-address.js';
import { credentialVariables, type GitCredentials } from './git-credentials.js';

type CloneInput = {
  readonly repo_url: string;
  readonly ref?: string;
  readonly depth?: number;
  readonly path?: string;
  readonly credentials?: GitCredentials;
  readonly timeout_ms?: number;
};

export type ClonePolicy = GitPolicy & {
  readonly runner: ProgramRunner;
  /** Absolute path of a git that is new enough; null where this machine lacks it. */
  readonly git: string | null;
};

const TIMEOUT_DEFAULT_MS = 300_000;
const OUTPUT_MAX_BYTES = 16_384;
const FOLDER_DEFAULT = 'repo';
const ALL_HISTORY = 0;

/** Where a repository of this machine is seen by git. */
const FILE_SEEN = '/run/repository';

/** No configuration but ours, and nobody to ask. */
const GIT_ENVIRONMENT = {
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_ATTR_NOSYSTEM: '1',
  GIT_TERMINAL_PROMPT: '0',
  GIT_ASKPASS: '/bin/false',
  GIT_PROTOCOL_FROM_USER: '0',
} as const;

/** Below this speed for so long a transfer is given up. */
const SLOW_BYTES_PER_S = 1_000;
const SLOW_S = 60;

/**
 * Fetches one commit into a folder that was not there, by init, fetch and checkout: a branch, a tag and the hash of a commit are the
 * same to these. It all happens in the folder of the attempt; the result is moved into the workspace when it is whole.
 */
export const gitCloneStep =
  (policy: ClonePolicy): StepRunner =>
  async (context) => {
    const input = context.input as CloneInput;
    const segments = segmentsOf(input.path ?? FOLDER_DEFAULT, 'path');
    const name = segments.at(-1);
    if (name === undefined)
      throw new StepError('PATH_NOT_ALLOWED', 'path is the workspace itself; accepted: a folder in it.');
    const ref = refOf(input.ref);
    if (policy.git === null)
      throw new StepError(
        'STEP_NOT_ALLOWED',
        `The machine of the executor has no git of version ${GIT_LEAST.major}.${GIT_LEAST.minor} or newer.`,
      );
    const address = await gitAddress(input.repo_url, policy);
    if (input.credentials !== undefined && address.kind !== 'https')
      throw new StepError('STEP_INPUT_INVALID', 'credentials are for https:// only; leave them out here.');
    const workspace = await context.workspace();
    const fresh = join(workspace.scratch, 'clone');
    await mkdir(fresh);
    const { signal, redactor } = context;
    const run = { policy, address, workspace, fresh, input, signal, redactor };
    const startedMs = performance.now();
    await git(run, startedMs, 'init', ['--quiet', '--template=']);
    context.progress('fetching');
    const options = ['--quiet', '--no-tags', '--no-recurse-submodules', ...depthOf(input)];
    await git(run, startedMs, 'fetch', [...options, '--', URL_PLACE, ref]);
    await git(run, startedMs, 'checkout', ['--quiet', '--detach', 'FETCH_HEAD']);
    const end = await git(run, startedMs, 'rev-parse', ['HEAD']);
    const commit = end.stdout.text.trim();
    const { files, bytes } = await diskUsage(fresh, Number.POSITIVE_INFINITY);
    await moveIn(workspace, fresh, segments, name);
    return { output: { path: segments.join('/'), commit, files, bytes, sandboxed: end.sandboxed } };
  };

/** Git would take some of these for something else than a name. */
const refOf = (ref: string | undefined): string => {
  if (ref === undefined) return 'HEAD';
  if (/^[A-Za-z0-9_][A-Za-z0-9._/+@-]*$/.test(ref) && !ref.includes('..') && !ref.endsWith('.lock'))
    return ref;
  throw new StepError(
    'STEP_INPUT_INVALID',
    `ref ${quoted(ref)} is no branch, tag or commit; accepted: a name such as main, v1.2 or a hash.`,
  );
};

const depthOf = ({ depth = 1 }: CloneInput): readonly string[] =>
  depth === ALL_HISTORY ? [] : [`--depth=${depth}`];

/** Stands for the repository until it is known where git sees it; no URL and no name looks like this. */
const URL_PLACE = '\0url';

type GitRun = {
  readonly policy: ClonePolicy;
  readonly address: GitAddress;
  readonly workspace: Workspace;
  readonly fresh: string;
  readonly input: CloneInput;
  readonly signal: AbortSignal;
  readonly redactor: Redactor;
};

const git = async (
  run: GitRun,
  startedMs: number,
  verb: string,
  args: readonly string[],
): Promise<ProgramEnd> => {
  const { policy, address, workspace, fresh, input, signal, redactor } = run;
  const leftMs = (input.timeout_ms ?? TIMEOUT_DEFAULT_MS) - (performance.now() - startedMs);
  const source =
    address.kind === 'file' ? [{ source: address.folder, target: FILE_SEEN, writable: false }] : [];
  const end = await policy.runner.run({
    workspace,
    mounts: [{ source: fresh, target: '/run/clone', writable: true }, ...source],
    folder: workspace.files,
    network: address.kind === 'https' && verb === 'fetch',
    timeoutMs: Math.max(1, Math.round(leftMs)),
    outputMaxBytes: OUTPUT_MAX_BYTES,
    redactor,
    signal,
    program: (seen) => {
      const url = address.kind === 'file' ? `file://${seen(address.folder)}` : address.url;
      const settings = settingsOf(address).flatMap((setting) => ['-c', setting]);
      const given = args.map((arg) => (arg === URL_PLACE ? url : arg));
      return {
        file: policy.git ?? '',
        args: ['-C', seen(fresh), ...settings, verb, ...given],
        env: { ...GIT_ENVIRONMENT, GIT_ALLOW_PROTOCOL: address.kind },
        ...(input.credentials !== undefined && verb === 'fetch'
          ? { privateEnv: credentialVariables(url, input.credentials) }
          : {}),
      };
    },
  });
  if (end.exitCode === 0) return end;
  throw new StepError(
    'GIT_FAILED',
    `git ${verb} of ${quoted(input.repo_url)} ended with exit code ${end.exitCode}: ${end.stderr.lastWords}`,
    { exit_code: end.exitCode },
  );
};

const settingsOf = (address: GitAddress): readonly string[] => [
  'core.hooksPath=/dev/null',
  'core.fsmonitor=false',
  'core.askPass=/bin/false',
  'credential.helper=',
  'protocol.allow=never',
  `protocol.${address.kind}.allow=always`,
  'fetch.recurseSubmodules=false',
  'submodule.recurse=false',
  'gc.auto=0',
  'init.defaultBranch=main',
  'advice.detachedHead=false',
  // A redirect would lead to a host that nobody has looked at.
  'http.followRedirects=false',
  `http.lowSpeedLimit=${SLOW_BYTES_PER_S}`,
  `http.lowSpeedTime=${SLOW_S}`,
  ...(address.kind === 'https' && address.resolved !== null
    ? [`http.curloptResolve=${address.resolved}`]
    : []),
  // The repository may belong to another user of this machine; who allows `file` allows that.
  ...(address.kind === 'file' ? ['safe.directory=*'] : []),
];

/** What stands there is replaced as a whole: an attempt that was begun again finds what the one before has left. */
const moveIn = async (
  { files, scratch }: Workspace,
  fresh: string,
  segments: readonly string[],
  name: string,
): Promise<void> => {
  const old = join(scratch, 'replaced');
  try {
    await inFolder(files, segments.slice(0, -1), true, async (folder) => {
      await rename(folder.at(name), old).catch((error: NodeJS.ErrnoException) => {
        if (error.code !== 'ENOENT') throw error;
      });
      await rename(fresh, folder.at(name));
    });
  } catch (error) {
    fileFailure(error, segments.join('/'));
  }
};
