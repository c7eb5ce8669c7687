import type { LeaseId, StepId, TaskId } from '#libs/domain/ids.js';
import type { KeptStep, TaskSubmitted } from '#libs/domain/task/events.js';
import type { WaitingKind } from '#libs/domain/task/waiting-events.js';
import type { OnFailure } from '#libs/domain/task/workflow.js';
import { AuditedItems } from './audited-items.js';

export type AuditedTask = {
  readonly submittedSeq: number;
  /** `goesOn`: how the other task ended does not matter, only that it did. */
  readonly needs: readonly { readonly taskId: TaskId; readonly goesOn: boolean }[];
  readonly workspace: string;
  /** Pauses that hold it back, besides that of a server. */
  readonly scopes: readonly string[];
  /** Nothing of it starts before; 0 where it said no time. */
  readonly runAtMs: number;
  /** Until when it may wait for its first attempt; null for as long as it takes. */
  readonly expiresAtMs: number | null;
  /** Items as long as they are under way. */
  readonly steps: Map<StepId, AuditedStep>;
  /** Someone asked it to stop, or a step of it failed for good. */
  ending: boolean;
  /** A step of it failed for good. */
  failing: boolean;
};

export type AuditedStep = {
  readonly needs: readonly StepId[];
  /** How it waits; null for one that runs. */
  readonly waits: WaitingKind | null;
  /** Whether the task may go on without it. */
  readonly isDispensable: boolean;
  /** Whether it is still to be decided if it runs. */
  isOpen: boolean;
  attempts: number;
  token: number;
  over: StepEnd | null;
  /** Lease of the attempt under way. */
  current: LeaseId | null;
  /** Lease of the attempt that `task.failing` ended: the end of the task names it again. */
  blamed: LeaseId | null;
  /** For a step that runs once for each of a list. */
  readonly items: AuditedItems | null;
};

/** How a step ended that holds up nothing of its task any more. */
export type StepEnd = 'done' | 'skipped' | 'failed';

/** A task as it begins. */
export const auditedTask = (event: TaskSubmitted, seq: number): AuditedTask => {
  const { steps, runAt, queueTtlMs } = event;
  const kept = new Map(event.kept?.map((one) => [one.stepId, endOf(one)]));
  const fresh = { attempts: 0, token: 0, current: null, blamed: null };
  return {
    submittedSeq: seq,
    needs: neededBy(event),
    workspace: event.workspace,
    scopes: ['queue', `workspace:${event.workspace}`, `template:${event.template.name}`],
    runAtMs: runAt === undefined ? 0 : Date.parse(runAt),
    expiresAtMs:
      queueTtlMs === undefined
        ? null
        : Math.max(Date.parse(event.submittedAt), Date.parse(runAt ?? event.submittedAt)) + queueTtlMs,
    steps: new Map(
      steps.map(({ id, needs, conditional = false, onFailure, waits = null, forEach }) => {
        const over = kept.get(id) ?? null;
        const isDispensable = onFailure === 'continue';
        const items = forEach ? new AuditedItems(forEach.concurrency) : null;
        const isOpen = conditional && over === null;
        return [id, { needs, ...fresh, waits, isDispensable, isOpen, over, items }];
      }),
    ),
    ending: false,
    failing: false,
  };
};

/** Why nothing of it waited for its turn at that moment; null where something did. */
export const whyNotQueued = (task: AuditedTask, when: string): string | null => {
  if (task.ending) return 'it was ending';
  if (Date.parse(when) < task.runAtMs) return 'its time had not come';
  const waits = [...task.steps.values()].some(({ over, current }) => over === null && current === null);
  return waits ? null : 'nothing waited';
};

export const endOf = ({ skipped, failure }: KeptStep): StepEnd =>
  skipped ? 'skipped' : failure === undefined ? 'done' : 'failed';

/** What a step needs of its own task and is not over. */
export const unmetOf = (task: AuditedTask, { needs }: AuditedStep): StepId[] =>
  needs.filter((id) => (task.steps.get(id)?.over ?? null) === null);

export const neededBy = ({ dependsOn, workflow }: TaskSubmitted): AuditedTask['needs'] => {
  const edges = new Map<TaskId, OnFailure>(workflow?.needs.map((need) => [need.taskId, need.onFailure]));
  return [
    ...dependsOn.map((id) => ({ taskId: id, goesOn: edges.get(id) === 'continue' })),
    ...(workflow?.uses ?? []).map((used) => ({ taskId: used.taskId, goesOn: true })),
  ];
};

/** The step of an item that starts for the first time. */
export const itemStep = ({ needs, isDispensable, isOpen, waits }: AuditedStep): AuditedStep => ({
  needs,
  isDispensable,
  isOpen,
  attempts: 0,
  token: 0,
  current: null,
  blamed: null,
  over: null,
  waits,
  items: null,
});

/** What speaks against a task repeating another one and keeping so much of it; `past`: how the steps of that one ended. Null for nothing. */
export const rerunProblem = (
  { rerunOf }: TaskSubmitted,
  kept: ReadonlyMap<StepId, StepEnd>,
  past: ReadonlyMap<StepId, StepEnd> | undefined,
): string | null => {
  if (rerunOf === undefined && kept.size === 0) return null;
  if (past === undefined) return `repeats ${rerunOf ?? 'nothing'}, which was not over`;
  const missing = [...kept].flatMap(([id, end]) => (past.get(id) === end ? [] : id));
  return missing.length === 0 ? null : `keeps ${missing.join(', ')}, which did not end so in ${rerunOf}`;
};
