import { realpath } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { Logger } from '#libs/runtime/logger.js';
import type { ExecutorConfig } from './executor.config.js';
import { findProgram, findSandbox, type Sandbox } from './sandbox/find-sandbox.js';
import { findInterpreters } from './sandbox/interpreters.js';
import { ProgramRunner } from './sandbox/program-runner.js';
import { ProgramSlots } from './sandbox/program-slots.js';
import type { StepRunner } from './step-runner.js';
import type { TaskArtifacts } from './artifacts/task-artifacts.js';
import { executeScriptStep } from './steps/execute-script.step.js';
import { findGit } from './steps/find-git.js';
import { gitCloneStep } from './steps/git-clone.step.js';
import { formatOutputStep } from './steps/format-output.step.js';
import { httpRequestStep } from './steps/http-request.step.js';
import { noopStep } from './steps/noop.step.js';
import { notifyStep, type Notify } from './steps/notify.step.js';
import { ollamaAnalyzeStep } from './steps/ollama-analyze.step.js';
import { ollamaRetrieveStep } from './steps/ollama-retrieve.step.js';
import { ollamaChatStep, ollamaEmbedStep, ollamaGenerateStep } from './steps/ollama.steps.js';
import { pdfText } from './steps/pdf-text.js';
import { readFilesStep } from './steps/read-files.step.js';
import { storeResultStep } from './steps/store-result.step.js';
import { transformStep } from './steps/transform.step.js';
import { writeFileStep } from './steps/write-file.step.js';
import type { ReadRoot } from './workspace/readable-roots.js';

export type AllSteps = { readonly steps: ReadonlyMap<string, StepRunner>; readonly sandbox: Sandbox };

export type Outside = {
  readonly logger: Logger;
  readonly notify: Notify;
  readonly artifacts: TaskArtifacts;
  /** Looked for where none is given. */
  readonly sandbox?: Sandbox;
};

/** Every step type with what it needs of this machine, which is looked for once. */
export const allSteps = async (
  config: ExecutorConfig,
  { logger, notify, artifacts, sandbox: given }: Outside,
): Promise<AllSteps> => {
  const sandbox = given ?? (await findSandbox());
  if (sandbox.kind === 'none')
    logger.info({ why: sandbox.why, unsandboxed: config.unsandboxed }, 'no sandbox for programs');
  const [prlimit, pdftotext] = await Promise.all(['prlimit', 'pdftotext'].map(findProgram));
  const runner = new ProgramRunner({
    sandbox,
    unsandboxed: config.unsandboxed === 'allow',
    memoryMaxBytes: config.programMemoryMaxBytes,
    processesMax: config.programProcessesMax,
    timeoutMaxMs: config.programTimeoutMaxMs,
    slots: new ProgramSlots(config.programsMax),
    prlimit: prlimit ?? null,
  });
  const script = executeScriptStep({
    runner,
    interpreters: await findInterpreters(config.interpreters.split(',')),
    network: config.scriptNetwork === 'allow',
  });
  const clone = gitCloneStep({
    runner,
    git: await findGit(),
    protocols: new Set(config.gitProtocols.split(',')),
    allowed: config.httpAllow,
  });
  const readFiles = readFilesStep({
    roots: await rootsOf(config.readRoots),
    pdf: pdfText(runner, pdftotext ?? null),
    artifacts,
  });
  const steps = new Map<string, StepRunner>([
    ['noop', noopStep],
    ['ollama_generate', ollamaGenerateStep],
    ['ollama_chat', ollamaChatStep],
    ['ollama_embed', ollamaEmbedStep],
    ['ollama_analyze', ollamaAnalyzeStep],
    ['ollama_retrieve', ollamaRetrieveStep],
    ['http_request', httpRequestStep(config.httpAllow)],
    ['notify', notifyStep(notify)],
    ['transform', transformStep],
    ['format_output', formatOutputStep],
    ['execute_script', script],
    ['git_clone', clone],
    ['read_files', readFiles],
    ['write_file', writeFileStep(artifacts)],
    ['store_result', storeResultStep(artifacts)],
  ]);
  return { steps, sandbox };
};

/** Rejects for a folder that is not there: a setting that opens nothing is a mistake. */
const rootsOf = async (readRoots: string | undefined): Promise<readonly ReadRoot[]> =>
  await Promise.all(
    (readRoots?.split(':') ?? []).map(async (root) => {
      const folder = await realpath(root).catch((error: unknown) => {
        throw new Error(`ORCHESTRA_READ_ROOTS: '${root}' cannot be opened: ${String(error)}`);
      });
      return { prefix: resolve(root), folder };
    }),
  );
