import type { LeaseId, StepId, TaskId } from '#libs/domain/ids.js';
import { itemRefOf } from '#libs/domain/task/items.js';
import type { KeptStep, TaskSubmitted } from '#libs/domain/task/events.js';
import type { WaitingKind } from '#libs/domain/task/waiting-events.js';
import type { OnFailure } from '#libs/domain/task/workflow.js';
import { AuditedItems, NO_ITEMS } from './audited-items.js';

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
  /** Once only the steps at its end are left: how all others have ended, and until when these may take. */
  finishing: { readonly status: string; readonly untilMs: number } | null;
};

export type AuditedStep = {
  readonly needs: readonly StepId[];
  /** How it waits; null for one that runs. */
  readonly waits: WaitingKind | null;
  /** It runs when all others have ended. */
  readonly atEnd: boolean;
  /** Whether the task may go on without it. */
  readonly isDispensable: boolean;
  /** Whether it is still to be decided if it runs. */
  isOpen: boolean;
  attempts: number;
  token: number;
  over: StepEnd | null;
  /** For good, or an item of it. */
  hasFailed: boolean;
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
  const fresh = { attempts: 0, token: 0, current: null, blamed: null, hasFailed: false };
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
      steps.map(({ id, needs, conditional = false, onFailure, waits = null, forEach, atEnd: last }) => {
        const over = kept.get(id) ?? null;
        const isDispensable = onFailure === 'continue';
        const items = forEach ? new AuditedItems(forEach.concurrency) : null;
        const isOpen = conditional && over === null;
        const atEnd = last !== undefined;
        return [id, { needs, ...fresh, atEnd, waits, isDispensable, isOpen, over, items }];
      }),
    ),
    ending: false,
    failing: false,
    finishing: null,
  };
};

/** Why nothing of it waited for its turn at that moment; null where something did. */
export const whyNotQueued = (task: AuditedTask, when: string): string | null => {
  if (task.ending) return 'it was ending';
  if (Date.parse(when) < task.runAtMs) return 'its time had not come';
  const waits = [...task.steps.values()].some(
    ({ over, current, atEnd }) => over === null && current === null && atEnd === (task.finishing !== null),
  );
  return waits ? null : 'nothing waited';
};

export const endOf = ({ skipped, failure }: KeptStep): StepEnd =>
  skipped ? 'skipped' : failure === undefined ? 'done' : 'failed';

/** An item that is over is one of its step's; the step is done with the last of them. */
export const endStep = (task: AuditedTask, stepId: StepId, how: StepEnd): void => {
  const step = task.steps.get(stepId);
  if (step) step.over = how;
  if (step && how === 'failed') step.hasFailed = true;
  const item = itemRefOf(stepId);
  const parent = task.steps.get(item?.of ?? '');
  if (!item || !parent?.items) return;
  task.steps.delete(stepId);
  if (how === 'failed') parent.hasFailed = true;
  if (parent.items.ended(item.index)) parent.over = 'done';
};

/** What speaks against saying how many items a step has; null for nothing. */
export const whyNotExpanded = (
  step: AuditedStep | undefined,
  missing: readonly string[],
  count: number,
): string | null => {
  if (missing.length > 0) return `needs ${missing.join(', ')}`;
  return step?.isOpen ? 'may not run at all' : (step?.items ?? NO_ITEMS).known(count);
};

/** What speaks against deciding whether a step runs; null for nothing. */
export const whyUndecided = (step: AuditedStep | undefined, missing: readonly string[]): string | null => {
  if (!step?.isOpen) return 'is none to decide about';
  return missing.length > 0 ? `needs ${missing.join(', ')}` : null;
};

/** What a step needs of its own task and is not over. */
export const unmetOf = (task: AuditedTask, { needs, atEnd }: AuditedStep): StepId[] => {
  const isLeft = (id: StepId): boolean => (task.steps.get(id)?.over ?? null) === null;
  const others =
    atEnd && task.finishing === null ? [...task.steps].flatMap(([id, step]) => (step.atEnd ? [] : id)) : [];
  return [...others, ...needs].filter(isLeft);
};

export const neededBy = ({ dependsOn, workflow }: TaskSubmitted): AuditedTask['needs'] => {
  const edges = new Map<TaskId, OnFailure>(workflow?.needs.map((need) => [need.taskId, need.onFailure]));
  return [
    ...dependsOn.map((id) => ({ taskId: id, goesOn: edges.get(id) === 'continue' })),
    ...(workflow?.uses ?? []).map((used) => ({ taskId: used.taskId, goesOn: true })),
  ];
};

/** The step of an item that starts for the first time. */
export const itemStep = ({ needs, atEnd, isDispensable, isOpen, waits }: AuditedStep): AuditedStep => ({
  needs,
  atEnd,
  hasFailed: false,
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
