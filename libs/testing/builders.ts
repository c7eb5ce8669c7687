import type { Failure } from '#libs/domain/errors.js';
import type {
  Loaded,
  LoadStarted,
  ServerConfigured,
  ServerSpec,
  ServerStateChanged,
} from '#libs/domain/gpu/events.js';
import type { ModelProfile } from '#libs/domain/gpu/profile.js';
import type { ReadyStep } from '#libs/domain/policy/ready-step.js';
import type { Circumstances, Outcome, Report } from '#libs/domain/task/outcome.js';
import type { StepDispatched, StepFailure, StepSuccess, TaskSubmitted } from '#libs/domain/task/events.js';
import type { StoppedAttempt } from '#libs/domain/task/stopped-attempt.js';
import type { StepSpec } from '#libs/domain/task/step-spec.js';
import type {
  TemplateRegistered,
  WorkflowSubmitted,
  WorkflowTask,
} from '#libs/domain/task/scheduler-events.js';
import type { Requirement } from '#libs/domain/task/requirement.js';
import type { OnFailure } from '#libs/domain/task/workflow.js';
import type { ScheduleSpec } from '#libs/domain/schedule/schedule.js';
import { rfc3339Of } from '#libs/domain/time.js';

/** The moment at which specs happen. */
export const NOW_MS = 1_767_268_800_000;
export const NOW = rfc3339Of(NOW_MS);
export const later = (ms: number): string => rfc3339Of(NOW_MS + ms);

const GIB = 1024 ** 3;
export const gib = (count: number): number => count * GIB;

export const TEMPLATE = { name: 'summarize', version: 'sha256-1' };

export const templateRegistered: TemplateRegistered = {
  type: 'template.registered',
  template: TEMPLATE,
  definition: { steps: [] },
  at: NOW,
};

export const CPU: Requirement = { kind: 'cpu' };

export const profileOf = (model: string, numCtx = 4096): ModelProfile => ({ model, options: { numCtx } });
export const needsModel = (model: string, numCtx = 4096): Requirement => ({
  kind: 'model',
  profile: profileOf(model, numCtx),
});

export const stepSpec = (id: string, more: Partial<StepSpec> = {}): StepSpec => ({
  id,
  stepType: 'ollama_generate',
  needs: [],
  requirement: CPU,
  retry: { attemptsMax: 1, backoffMs: 1000 },
  ...more,
});

/** A submission of task `t1` with one step `a`, unless told otherwise. */
export const submission = (more: Partial<Omit<TaskSubmitted, 'type'>> = {}): Omit<TaskSubmitted, 'type'> => ({
  taskId: 't1',
  workspace: 'home',
  template: TEMPLATE,
  parameters: {},
  priority: 5,
  dependsOn: [],
  labels: {},
  steps: [stepSpec('a')],
  submittedAt: NOW,
  ...more,
});

export const submitted = (more: Partial<Omit<TaskSubmitted, 'type'>> = {}): TaskSubmitted => ({
  type: 'task.submitted',
  ...submission(more),
});

/** What an edge to an earlier task is, and whether its result is read. */
export type WorkflowEdge = { readonly onFailure: OnFailure | null; readonly isRead: boolean };

/**
 * A workflow of tasks `<id>-0`, `<id>-1` …, each of one step `a`. The edges are those of the second task, then those of the third, and
 * so on, each to the first, the second …; with null there is none.
 */
export const workflowOf = (
  workflowId: string,
  size: number,
  edges: readonly WorkflowEdge[] = [],
): Omit<WorkflowSubmitted, 'type'> => {
  const left = [...edges];
  const reachable = new Map<number, ReadonlySet<number>>();
  const named = (n: number) => ({ task: `task${n}`, taskId: `${workflowId}-${n}` });
  const tasks = Array.from({ length: size }, (_, n): WorkflowTask => {
    const own = left.splice(0, n);
    const needed = own.flatMap(({ onFailure }, to) => (onFailure ? [{ to, onFailure }] : []));
    const above = new Set(needed.flatMap(({ to }) => [to, ...(reachable.get(to) ?? [])]));
    reachable.set(n, above);
    const uses = [...above].filter((to) => own[to]?.isRead).map(named);
    const { template, parameters, priority, labels, steps } = submission();
    return {
      ...named(n),
      template,
      parameters,
      priority,
      labels,
      steps,
      uses,
      needs: needed.map(({ to, onFailure }) => ({ ...named(to), onFailure })),
    };
  });
  return { workflowId, workspace: 'home', name: 'a workflow', labels: {}, tasks, submittedAt: NOW };
};

/** Every quarter of an hour, and nothing else said. */
export const scheduleSpec = (more: Partial<ScheduleSpec> = {}): ScheduleSpec => ({
  rule: { kind: 'every', everyMs: 15 * 60_000 },
  task: {
    workspace: 'home',
    template: { name: TEMPLATE.name },
    parameters: {},
    numCtx: 4096,
    priority: 5,
    labels: {},
  },
  overlap: 'skip',
  catchUp: 'last',
  jitterMs: 0,
  ...more,
});

const leaseIdOf = (stepId: string, attempt: number): string => `lease-${stepId}-${attempt}`;
/** Any number that is different for each attempt. */
const tokenOf = (stepId: string, attempt: number): number => stepId.charCodeAt(0) * 100 + attempt;

/** Names the attempt, on server `gpu1`, in every event that mentions it. */
export const attemptOf = (stepId = 'a', attempt = 1) => ({
  stepId,
  attempt,
  leaseId: leaseIdOf(stepId, attempt),
  serverId: 'gpu1',
});

export const leaseOf = (stepId = 'a', attempt = 1) => ({
  leaseId: leaseIdOf(stepId, attempt),
  token: tokenOf(stepId, attempt),
  serverId: 'gpu1',
});

export const dispatched = (
  stepId = 'a',
  attempt = 1,
  more: Partial<StepDispatched> = {},
): StepDispatched => ({
  type: 'step.dispatched',
  taskId: 't1',
  stepId,
  stepType: 'ollama_generate',
  attempt,
  lease: leaseOf(stepId, attempt),
  requirement: CPU,
  input: {},
  at: NOW,
  ...more,
});

export const success = (stepId = 'a', attempt = 1, output: unknown = `${stepId} done`): StepSuccess => ({
  ...attemptOf(stepId, attempt),
  output,
  startedAt: NOW,
  endedAt: NOW,
});

export const failureOf = (stepId: string, attempt: number, failure: Failure): StepFailure => ({
  ...attemptOf(stepId, attempt),
  failure,
  startedAt: NOW,
  endedAt: NOW,
});

export const stoppedAttempt = (how: StoppedAttempt['how'], stepId = 'a', attempt = 1): StoppedAttempt => ({
  stepId,
  attempt,
  leaseId: leaseIdOf(stepId, attempt),
  how,
});

export const report = (outcome: Outcome, stepId = 'a', attempt = 1, more: Partial<Report> = {}): Report => ({
  stepId,
  attempt,
  leaseId: leaseIdOf(stepId, attempt),
  token: tokenOf(stepId, attempt),
  startedAt: NOW,
  endedAt: NOW,
  outcome,
  ...more,
});

/** Now, the middle of the jitter, and a result that shows that it was asked for. */
export const circumstances = (more: Partial<Circumstances> = {}): Circumstances => ({
  at: NOW,
  random: 0.5,
  result: () => ({ ok: true, result: 'the result' }),
  ...more,
});

export const serverSpec = (serverId: string, more: Partial<ServerSpec> = {}): ServerSpec => ({
  serverId,
  kind: 'ollama',
  url: `http://${serverId}:11434`,
  vramBytes: gib(24),
  slots: 2,
  device: 'gpu',
  labels: {},
  pullMissing: false,
  ...more,
});

export const cpuSpec = (slots = 2): ServerSpec => ({
  serverId: 'cpu',
  kind: 'cpu',
  vramBytes: 0,
  slots,
  device: 'cpu',
  labels: {},
  pullMissing: false,
});

export const configured = (server: ServerSpec): ServerConfigured => ({
  type: 'server.configured',
  server,
  at: NOW,
});

export const serverState = (
  serverId: string,
  state: ServerStateChanged['state'],
  more: Partial<ServerStateChanged> = {},
): ServerStateChanged => ({
  type: 'server.state-changed',
  serverId,
  state,
  foreign: [],
  at: NOW,
  ...more,
});

/** A server that is configured and answers. */
export const serverUp = (serverId: string, more: Partial<ServerSpec> = {}) =>
  [configured(serverSpec(serverId, more)), serverState(serverId, 'up')] as const;

export const loadStarted = (
  serverId: string,
  residencyId: string,
  profile: ModelProfile,
  more: Partial<LoadStarted> = {},
): LoadStarted => ({
  type: 'residency.load-started',
  serverId,
  residencyId,
  profile,
  bytes: gib(8),
  slots: 2,
  at: NOW,
  ...more,
});

export const loaded = (serverId: string, residencyId: string, more: Partial<Loaded> = {}): Loaded => ({
  type: 'residency.loaded',
  serverId,
  residencyId,
  bytes: gib(8),
  vramBytes: gib(8),
  loadMs: 1000,
  at: NOW,
  ...more,
});

/** A model that is wholly loaded and open. */
export const resident = (
  serverId: string,
  residencyId: string,
  profile: ModelProfile,
  more: { readonly bytes?: number; readonly slots?: number; readonly at?: string } = {},
) => {
  const { bytes = gib(8), slots = 2, at = NOW } = more;
  return [
    loadStarted(serverId, residencyId, profile, { bytes, slots, at }),
    loaded(serverId, residencyId, { bytes, vramBytes: bytes, at }),
  ] as const;
};

export const readyStep = (taskId: string, more: Partial<ReadyStep> = {}): ReadyStep => ({
  taskId,
  stepId: 'a',
  attempt: 1,
  workspace: 'home',
  priority: 5,
  seq: 1,
  submittedAtMs: NOW_MS,
  place: null,
  line: null,
  urgentByMs: null,
  requirement: CPU,
  ...more,
});
