// The reader's tour: previous: apps/scheduler/schedule-cycle.ts, which dispatched the step; next:
// apps/results/task-view.projection.ts, which makes the answer that people see.
import type { AttemptOutcome, AttemptReport, LiveMessage } from '#libs/contracts/reports.js';
import type { Failure } from '#libs/domain/errors.js';
import type { ServerId } from '#libs/domain/ids.js';
import { isPluginType } from '#libs/domain/plugin-type.js';
import type { StepDispatched } from '#libs/domain/task/events.js';
import { ModelRunnerError } from '#libs/model-runner/model-runner-error.js';
import type { ModelRunner } from '#libs/model-runner/model-runner.js';
import { OutgoingError } from '#libs/outgoing-http/outgoing-error.js';
import { rfc3339, type Clock } from '#libs/runtime/clock.js';
import type { Redactor } from '#libs/secrets/redactor.js';
import type { Attempt, TimeLimit } from './attempt.js';
import { redactedLive } from './secrets/redacted-live.js';
import type { GivenSecrets, OpenedInput } from './secrets/given-secrets.js';
import { failureOf, StepError } from './step-error.js';
import type { PluginPart, StepContext, StepResult, StepRunner } from './step-runner.js';
import { TimeLimits } from './time-limits.js';
import type { OpenWorkspace } from './workspace/task-workspaces.js';
import { WorkspaceOnDemand } from './workspace/workspace-on-demand.js';

export type RunOptions = {
  readonly executorId: string;
  readonly steps: ReadonlyMap<string, StepRunner>;
  readonly secrets: Pick<GivenSecrets, 'open'>;
  /** Runs the step types of others. */
  readonly plugins?: StepRunner;
  readonly urlOf?: (serverId: ServerId) => Promise<string>;
  readonly runnerOf: (serverId: ServerId) => Promise<ModelRunner>;
  readonly openWorkspace: (dispatch: StepDispatched) => Promise<OpenWorkspace>;
  readonly live: (message: LiveMessage) => void;
  readonly clock: Clock;
  readonly outputMaxBytes: number;
};

/** Runs a leased attempt to its end. Answers with the report, or null when nobody wants one: the lease was lost. */
export const runAttempt = async (attempt: Attempt, options: RunOptions): Promise<AttemptReport | null> => {
  const { dispatch } = attempt;
  const startedAt = rfc3339(options.clock.nowMs());
  const outcome = await outcomeOf(attempt, options);
  if (outcome === null) return null;
  return {
    taskId: dispatch.taskId,
    stepId: dispatch.stepId,
    attempt: dispatch.attempt,
    leaseId: dispatch.lease.leaseId,
    token: dispatch.lease.token,
    executorId: options.executorId,
    startedAt,
    endedAt: rfc3339(options.clock.nowMs()),
    outcome,
  };
};

const outcomeOf = async (attempt: Attempt, options: RunOptions): Promise<AttemptOutcome | null> => {
  const { stepType } = attempt.dispatch;
  const step = isPluginType(stepType) ? options.plugins : options.steps.get(stepType);
  if (step === undefined) {
    const known = [...options.steps.keys()].join(', ');
    return failed({ code: 'STEP_TYPE_UNKNOWN', message: `Step type '${stepType}' is not one of ${known}.` });
  }
  const limits = new TimeLimits(attempt);
  const workspace = new WorkspaceOnDemand(() => options.openWorkspace(attempt.dispatch));
  let redactor: Redactor | undefined;
  try {
    const opened = await options.secrets.open(attempt.dispatch);
    ({ redactor } = opened);
    const live = redactedLive(options.live, redactor);
    const around = { heard: () => limits.heard(), workspace, opened, live: live.say };
    const given = await workspace.during(() => step(contextOf(attempt, options, around)));
    live.end();
    const result = { ...given, output: redactor.value(given.output) };
    const tooLarge = sizeProblem(result, options.outputMaxBytes);
    return tooLarge ? failed(tooLarge) : { kind: 'completed', ...result };
  } catch (error) {
    return ended(attempt, error, redactor);
  } finally {
    limits.stop();
  }
};

const failed = (failure: Failure): AttemptOutcome => ({ kind: 'failed', failure });

/** An aborted attempt ends by what aborted it; the error that the abort provoked says whether the server was seen free. */
const ended = (attempt: Attempt, error: unknown, redactor: Redactor | undefined): AttemptOutcome | null => {
  switch (attempt.ending) {
    case 'lease-lost':
      return null;
    case 'cancelled':
      return { kind: 'cancelled', confirmed: confirmedFree(error) };
    case 'stopping':
      return failed({ code: 'EXECUTOR_STOPPING', message: 'The executor was shut down during the attempt.' });
    case 'timeoutMs':
    case 'noProgressMs':
      return failed(timedOut(attempt, attempt.ending, confirmedFree(error)));
    case null:
      return failed(failureOf(error, redactor));
  }
};

/** `confirmed`: the server was seen free. Where it was not, the allocator makes sure of it before the slot is used again. */
const timedOut = ({ dispatch }: Attempt, limit: TimeLimit, confirmed: boolean): Failure => {
  const { stepId, attempt } = dispatch;
  const limitMs = dispatch[limit] ?? 0;
  const what =
    limit === 'timeoutMs'
      ? `took longer than the ${limitMs} ms of its timeout`
      : `showed no progress for the ${limitMs} ms of its no_progress`;
  return {
    code: 'STEP_TIMED_OUT',
    message: `Attempt ${attempt} of step '${stepId}' ${what}.`,
    details: { limit, limitMs, confirmed },
  };
};

const confirmedFree = (error: unknown): boolean =>
  error instanceof ModelRunnerError
    ? error.details['confirmed'] === true
    : error instanceof StepError || error instanceof OutgoingError;

type Around = {
  readonly heard: () => void;
  readonly workspace: WorkspaceOnDemand;
  readonly opened: OpenedInput;
  readonly live: (message: LiveMessage) => void;
};

const contextOf = (attempt: Attempt, options: RunOptions, around: Around): StepContext => {
  const { heard, workspace, opened } = around;
  const { dispatch, abort } = attempt;
  const { taskId, stepId } = dispatch;
  let n = 0;
  const live = (message: LiveMessage): void => {
    heard();
    around.live(message);
  };
  const head = () => ({ taskId, stepId, attempt: dispatch.attempt, n: n++, atMs: options.clock.nowMs() });
  return {
    ...opened,
    taskId,
    stepId,
    requirement: dispatch.requirement,
    attempt: dispatch.attempt,
    ...(dispatch.noProgressMs === undefined ? {} : { noProgressMs: dispatch.noProgressMs }),
    model: () => options.runnerOf(dispatch.lease.serverId),
    workspace: () => workspace.get(),
    token: (text, thinking) =>
      live({ ...head(), kind: 'token', text, ...(thinking === undefined ? {} : { thinking }) }),
    progress: (message, completed, total) =>
      live({
        ...head(),
        kind: 'progress',
        message,
        ...(completed === undefined ? {} : { completed }),
        ...(total === undefined ? {} : { total }),
      }),
    signal: abort.signal,
    ...(isPluginType(dispatch.stepType) ? { plugin: pluginPart(dispatch, options) } : {}),
  };
};

const pluginPart = (dispatch: StepDispatched, { urlOf }: RunOptions): PluginPart => {
  const { stepType, taskId, stepId, lease, workerWaitMs } = dispatch;
  return {
    stepType,
    taskId,
    stepId,
    run: `${lease.leaseId}.${lease.token}`,
    ...(workerWaitMs === undefined ? {} : { workerWaitMs }),
    serverUrl: async () => {
      if (urlOf === undefined) throw new StepError('INTERNAL', 'There are no servers here.');
      return await urlOf(lease.serverId);
    },
  };
};

const sizeProblem = ({ output }: StepResult, maxBytes: number): Failure | null => {
  const bytes = Buffer.byteLength(JSON.stringify(output ?? null));
  if (bytes <= maxBytes) return null;
  return {
    code: 'OUTPUT_TOO_LARGE',
    message:
      `The output has ${bytes} bytes; ${maxBytes} are allowed (ORCHESTRA_OUTPUT_MAX_BYTES). ` +
      'Write what is large to a file of the workspace, and store that with store_result.',
    details: { bytes, maxBytes },
  };
};
