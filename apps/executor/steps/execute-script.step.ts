import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ProgramEnd, ProgramRunner } from '../sandbox/program-runner.js';
import { interpreterOf, type Interpreters } from '../sandbox/interpreters.js';
import type { Mount } from '../sandbox/sandbox-arguments.js';
import { StepError } from '../step-error.js';
import type { StepRunner } from '../step-runner.js';
import { inFolder } from '../workspace/held-directory.js';
import { fileFailure, segmentsOf } from '../workspace/inside-path.js';
import { openBelow } from '../workspace/readable-roots.js';
import type { Workspace } from '../workspace/workspace.js';

type ScriptInput = {
  readonly interpreter: string;
  readonly script?: string;
  readonly path?: string;
  readonly cwd?: string;
  readonly args?: readonly string[];
  readonly stdin?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly timeout_ms?: number;
  readonly max_output_bytes?: number;
  readonly network?: boolean;
  readonly allow_failure?: boolean;
};

export type ScriptPolicy = {
  readonly runner: ProgramRunner;
  readonly interpreters: Interpreters;
  /** Whether a script that asks for the network gets it. */
  readonly network: boolean;
};

const TIMEOUT_DEFAULT_MS = 60_000;
const OUTPUT_DEFAULT_BYTES = 65_536;

/** Runs a script. What it is given arrives as arguments, variables and stdin; nothing of it becomes code. */
export const executeScriptStep =
  ({ runner, interpreters, network }: ScriptPolicy): StepRunner =>
  async (context) => {
    const input = context.input as ScriptInput;
    const interpreter = interpreterOf(input.interpreter, interpreters);
    if (input.network === true && !network)
      throw new StepError(
        'STEP_NOT_ALLOWED',
        'network: true is not allowed here (ORCHESTRA_SCRIPT_NETWORK); accepted: false.',
      );
    const workspace = await context.workspace();
    const folder = await folderOf(input, workspace);
    const { source, mounts } = await scriptOf(input, workspace);
    const end = await runner.run({
      workspace,
      mounts: [...interpreter.mounts, ...mounts],
      folder,
      network: input.network === true,
      timeoutMs: input.timeout_ms ?? TIMEOUT_DEFAULT_MS,
      outputMaxBytes: input.max_output_bytes ?? OUTPUT_DEFAULT_BYTES,
      redactor: context.redactor,
      signal: context.signal,
      program: (seen) => ({
        file: seen(interpreter.file),
        args: [seen(source), ...(input.args ?? [])],
        ...(context.redactor.isIdle ? { env: input.env ?? {} } : { env: {}, privateEnv: input.env ?? {} }),
        ...(input.stdin === undefined ? {} : { stdin: input.stdin }),
      }),
    });
    if (end.exitCode !== 0 && input.allow_failure !== true) throw failed(end);
    return { output: outputOf(end) };
  };

/** The working folder, which has to be there. */
const folderOf = async ({ cwd = '.' }: ScriptInput, { files }: Workspace): Promise<string> => {
  const segments = segmentsOf(cwd, 'cwd');
  try {
    await inFolder(files, segments, false, () => Promise.resolve());
  } catch (error) {
    fileFailure(error, cwd);
  }
  return join(files, ...segments);
};

type Script = { readonly source: string; readonly mounts: readonly Mount[] };

const scriptOf = async ({ script, path }: ScriptInput, workspace: Workspace): Promise<Script> => {
  if ((script === undefined) === (path === undefined))
    throw new StepError(
      'STEP_INPUT_INVALID',
      `${script === undefined ? 'Neither script nor path is' : 'script and path are both'} given; accepted: exactly one.`,
    );
  if (path !== undefined) {
    const segments = segmentsOf(path, 'path');
    // Looked at for its error only: what the program opens later, it opens in the sandbox.
    await (await openBelow({ root: { prefix: '', folder: workspace.files }, segments }, path)).close();
    return { source: join(workspace.files, ...segments), mounts: [] };
  }
  const source = join(workspace.scratch, 'script');
  await writeFile(source, script ?? '', { mode: 0o600, flag: 'wx' });
  return { source, mounts: [{ source, target: '/run/step/script', writable: false }] };
};

const outputOf = ({
  exitCode,
  stdout,
  stderr,
  durationMs,
  sandboxed,
}: ProgramEnd): Readonly<Record<string, unknown>> => ({
  exit_code: exitCode,
  stdout: stdout.text,
  stderr: stderr.text,
  truncated: stdout.truncated || stderr.truncated,
  sandboxed,
  duration_ms: durationMs,
});

/** What signals mean that a limit sends; a program may end so for other reasons, too. */
const HINTS: ReadonlyMap<number, string> = new Map([
  [126, 'it may not be run'],
  [127, 'a program was not found'],
  [137, 'killed, as by a lack of memory'],
  [139, 'segmentation fault'],
  [152, 'its time on the processor was used up, which is timeout_ms for each process'],
  [153, 'a file became larger than is allowed (ORCHESTRA_WORKSPACE_MAX_BYTES)'],
]);

const failed = (end: ProgramEnd): StepError => {
  const { exitCode, stderr } = end;
  const hint = HINTS.get(exitCode);
  const said = stderr.lastWords === '' ? '' : ` It said last: ${stderr.lastWords}`;
  return new StepError(
    'SCRIPT_FAILED',
    `The script ended with exit code ${exitCode}${hint === undefined ? '' : ` (${hint})`}; accepted: 0, or allow_failure: true.${said}`,
    { exit_code: exitCode, sandboxed: end.sandboxed },
  );
};
