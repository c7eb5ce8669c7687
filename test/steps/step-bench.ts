import { randomUUID } from 'node:crypto';
import { mkdtemp, readdir, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { allSteps } from '#apps/executor/all-steps.js';
import { TaskArtifacts } from '#apps/executor/artifacts/task-artifacts.js';
import type { Attempt } from '#apps/executor/attempt.js';
import { EXECUTOR_SETTINGS } from '#apps/executor/executor.config.js';
import { runAttempt } from '#apps/executor/run-attempt.js';
import type { Sandbox } from '#apps/executor/sandbox/find-sandbox.js';
import { GivenSecrets } from '#apps/executor/secrets/given-secrets.js';
import type { StepRunner } from '#apps/executor/step-runner.js';
import { removeTree } from '#apps/executor/workspace/remove-tree.js';
import { TaskWorkspaces } from '#apps/executor/workspace/task-workspaces.js';
import type { ArtifactStore } from '#libs/artifacts/artifact-store.js';
import type { AttemptOutcome } from '#libs/contracts/reports.js';
import { SUBJECTS, subjectToken } from '#libs/contracts/subjects.js';
import type { StepDispatched, TaskEvent } from '#libs/domain/task/events.js';
import type { SecretUse } from '#libs/domain/task/step-secrets.js';
import { START, type LogWriter } from '#libs/event-log/event-log.js';
import { MemoryEventLog } from '#libs/event-log/memory.event-log.js';
import { systemClock } from '#libs/runtime/clock.js';
import { createLogger } from '#libs/runtime/logger.js';
import { loadSettings } from '#libs/runtime/settings.js';
import { checkOf } from '#libs/template/check-inputs.js';
import { STEP_TYPES } from '#libs/template/step-types.js';
import { fill, valueTree } from '#libs/template/value-tree.js';
import { CPU, NOW, submitted } from '#libs/testing/builders.js';

const logger = createLogger({ service: 'executor', instance: 'bench', level: 'silent' });

type RunOptions = {
  readonly taskId?: string;
  readonly stepId?: string;
  readonly attempt?: Attempt;
  /** Of secrets, by name; every `{{ secrets.<name> }}` in the input refers to one. */
  readonly values?: Readonly<Record<string, string>>;
};

/** `log` is one that another bench has written; `sandbox` another than this machine's. */
type BenchOptions = {
  readonly log?: MemoryEventLog;
  readonly sandbox?: Sandbox;
  readonly store?: ArtifactStore;
};

const NO_STORE: ArtifactStore = {
  put: () => Promise.reject(new Error('no object store here')),
  get: () => {
    throw new Error('no object store here');
  },
};

/** Runs steps as an executor does, in processes and folders that are real, on a log in this process. */
export class StepBench {
  private constructor(
    readonly folder: string,
    readonly workspaces: TaskWorkspaces,
    private readonly steps: ReadonlyMap<string, StepRunner>,
    private readonly writer: LogWriter,
    readonly log: MemoryEventLog,
  ) {}

  static async start(
    env: Readonly<Record<string, string>> = {},
    { log = new MemoryEventLog('TASKS'), sandbox, store = NO_STORE }: BenchOptions = {},
  ): Promise<StepBench> {
    const folder = await mkdtemp(join(tmpdir(), 'orchestra-steps-'));
    const config = loadSettings(EXECUTOR_SETTINGS, { ORCHESTRA_WORK_DIR: join(folder, 'work'), ...env });
    const { steps } = await allSteps(config, {
      logger,
      notify: () => Promise.reject(new Error('no notifier here')),
      artifacts: new TaskArtifacts({ store, tasks: log, newId: randomUUID }),
      ...(sandbox === undefined ? {} : { sandbox }),
    });
    const workspaces = new TaskWorkspaces({
      folder: config.workDir ?? folder,
      maxBytes: config.workspaceMaxBytes,
      tasks: log,
      logger,
    });
    const at = { seq: log.lastSeq, hash: log.stored.at(-1)?.hash ?? START.hash };
    const data = { logId: 'log-1', at: NOW };
    const writer = await log.openWriter(at, {
      id: `opening-${randomUUID()}`,
      type: 'log.started',
      version: 1,
      subject: SUBJECTS.scheduler('log-started'),
      time: NOW,
      data,
    });
    const bench = new StepBench(folder, workspaces, steps, writer, log);
    if (log.lastSeq === 1) await bench.tell(submitted({ taskId: 't1' }));
    return bench;
  }

  /** Puts a fact of a task into the log. */
  async tell(event: TaskEvent): Promise<void> {
    const { type, taskId, ...data } = event;
    await this.writer
      .append([
        {
          id: randomUUID(),
          type,
          version: 1,
          subject: SUBJECTS.task(taskId, subjectToken(type)),
          time: NOW,
          data: { taskId, ...data },
          taskId,
        },
      ])
      .acknowledged();
  }

  /** What the platform refuses before an executor sees it is a failure with the code that it has then. */
  async run(
    stepType: string,
    input: Readonly<Record<string, unknown>>,
    options: RunOptions = {},
  ): Promise<AttemptOutcome> {
    const type = STEP_TYPES.get(stepType);
    const problems = type === undefined ? [] : checkOf(type)(input);
    if (problems.length > 0) {
      const message = problems
        .map(({ segments, message: said }) => `${segments.join('.')} ${said}`)
        .join('; ');
      return { kind: 'failed', failure: { code: 'STEP_INPUT_INVALID', message } };
    }
    const report = await runAttempt(options.attempt ?? this.attempt(stepType, input, options), {
      executorId: 'bench',
      steps: this.steps,
      secrets: new GivenSecrets((name) => Promise.resolve(options.values?.[name] ?? `no value of ${name}`)),
      openWorkspace: (dispatch) => this.workspaces.open(dispatch),
      runnerOf: () => Promise.reject(new Error('there are no models here')),
      live: () => undefined,
      clock: systemClock,
      outputMaxBytes: 512 * 1024,
    });
    if (report === null) throw new Error('the lease was lost');
    return report.outcome;
  }

  attempt(
    stepType: string,
    given: Readonly<Record<string, unknown>>,
    { taskId = 't1', stepId = 'a', values }: RunOptions = {},
  ): Attempt {
    const { input, ...secrets } = values === undefined ? { input: given } : withReferences(given, values);
    return {
      dispatch: {
        type: 'step.dispatched',
        taskId,
        stepId,
        stepType,
        attempt: 1,
        lease: { leaseId: `l-${randomUUID()}`, token: 1, serverId: 'cpu' },
        requirement: CPU,
        input,
        ...secrets,
        at: NOW,
      },
      abort: new AbortController(),
      seq: 1,
      ending: null,
      taken: true,
      deadlineMs: 0,
      traceparent: undefined,
    };
  }

  /** The shared folder of a task. */
  files(taskId = 't1'): string {
    return join(this.folder, 'work', taskId, 'files');
  }

  async stop(): Promise<void> {
    await this.workspaces.stop();
    await this.writer.close();
    await removeTree(this.folder);
  }
}

/** What a dispatch says of an input as a template has it. */
const withReferences = (
  given: Readonly<Record<string, unknown>>,
  values: Readonly<Record<string, string>>,
): Pick<StepDispatched, 'input' | 'secrets'> => {
  const uses: SecretUse[] = [];
  const tree = valueTree(given, (path, message) => {
    throw new Error(`${path.join('.')}: ${message}`);
  });
  const input = fill(tree, { parameters: {}, steps: {} }, uses) as StepDispatched['input'];
  return { input, secrets: { workspace: 'default', template: 'bench', uses, all: Object.keys(values) } };
};

/** Processes of this machine that were started with this text among their arguments or variables. */
export const processesWith = async (text: string): Promise<readonly string[]> => {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid);
  const found = await Promise.all(
    pids.map(async (pid) => {
      const said = await Promise.all(
        ['cmdline', 'environ'].map((file) => readFile(`/proc/${pid}/${file}`, 'latin1').catch(() => '')),
      );
      return said.some((part) => part.includes(text))
        ? [`${pid}: ${said[0]?.replaceAll('\0', ' ').slice(0, 200)}`]
        : [];
    }),
  );
  return found.flat();
};
