import type { ExplainReply } from '#libs/contracts/explain.js';
import type { MovedView } from '#libs/contracts/queries.js';
import type { Moved } from '#libs/domain/task/task.js';
import type { StepExplanation } from '#libs/domain/policy/explain.js';
import { movedText, stepText } from './explanation-text.js';
import { asApiData } from './api-data.js';

/** `GET /tasks/{id}/explain`: sentences for people, and the same as data. */
export type ExplanationView = {
  readonly id: string;
  readonly status: 'open' | 'completed' | 'failed' | 'cancelled';
  readonly as_of: string;
  readonly as_of_seq: number;
  readonly summary: string;
  /** Where somebody has put it, also as a sentence; null where priority and age say its place. */
  readonly moved: (MovedView & { readonly text: string }) | null;
  readonly steps: readonly StepView[];
};

type StepView = {
  readonly id: string;
  readonly model: string | null;
  readonly state: StepExplanation['state'];
  readonly text: string;
  /** For a step that waits: the kind of it, and its facts. */
  readonly waits_for: Readonly<Record<string, unknown>> | null;
  /** The latest start that it was promised, and for how much longer later work may be put before it. */
  readonly bound: Readonly<Record<string, unknown>> | null;
};

export const explanationView = (
  id: string,
  reply: Exclude<ExplainReply, { readonly kind: 'unknown' }>,
): ExplanationView => {
  const common = { id, as_of: new Date(reply.atMs).toISOString(), as_of_seq: reply.seq };
  if (reply.kind === 'over') {
    const { status } = reply;
    return {
      ...common,
      status,
      summary: `The task is over: it has ${OVER[status]}.`,
      moved: null,
      steps: [],
    };
  }
  const steps = reply.steps.map((step): StepView => ({
    id: step.stepId,
    model: step.model,
    state: step.state,
    text: stepText(step),
    waits_for: step.state === 'waiting' ? asApiData(step.wait) : null,
    bound: step.state === 'waiting' && step.bound ? asApiData(step.bound) : null,
  }));
  const moved = reply.moved && movedView(reply.moved);
  const summary = [summaryOf(steps), ...(moved ? [moved.text] : [])].join(' ');
  return { ...common, status: 'open', summary, moved, steps };
};

const movedView = (moved: Moved): MovedView & { readonly text: string } => {
  const { to, reason, by, at } = moved;
  return { text: movedText(moved), to: to.kind, task: 'taskId' in to ? to.taskId : null, reason, by, at };
};

const OVER = { completed: 'completed', failed: 'failed', cancelled: 'been cancelled' } as const;

/** What runs says most; else the first step that waits for something outside of the task. */
const summaryOf = (steps: readonly StepView[]): string => {
  const running = steps.filter(({ state }) => state === 'running');
  const waiting = steps.filter(
    ({ state, waits_for }) => state === 'waiting' && waits_for?.['kind'] !== 'steps',
  );
  const told = running.length > 0 ? running : waiting.slice(0, 1);
  return told.map(({ id, text }) => `Step '${id}' ${text}.`).join(' ');
};
