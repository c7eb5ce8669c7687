import type { PastExplainReply } from '#libs/contracts/explain.js';
import type { MovedView } from '#libs/contracts/queries.js';
import type { StepExplanation } from '#libs/domain/policy/explain.js';
import type { PredictionRecord } from '#libs/domain/task/prediction-errors.js';
import type { Moved } from '#libs/domain/task/move-events.js';
import { movedText, predictionsText, stepText } from './explanation-text.js';
import { asApiData } from './api-data.js';

/** `GET /tasks/{id}/explain`: sentences for people, and the same as data. */
export type ExplanationView = {
  readonly id: string;
  readonly status: 'open' | 'completed' | 'failed' | 'cancelled' | 'not_submitted';
  readonly as_of: string;
  readonly as_of_seq: number;
  readonly summary: string;
  /** Where somebody has put it, also as a sentence; null where priority and age say its place. */
  readonly moved: (MovedView & { readonly text: string }) | null;
  readonly steps: readonly StepView[];
  /** How good predictions of starts have been. */
  readonly predictions: Readonly<Record<string, unknown>> | null;
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
  /** When it will probably start. */
  readonly start: Readonly<Record<string, unknown>> | null;
};

export const explanationView = (
  id: string,
  reply: Exclude<PastExplainReply, { readonly kind: 'unknown' }>,
): ExplanationView => {
  const common = { id, as_of: timeOf(reply.atMs), as_of_seq: reply.seq };
  if (reply.kind === 'not-submitted') {
    const summary = `The task was not there yet: it was submitted at ${timeOf(reply.submittedAtMs)}.`;
    return { ...common, status: 'not_submitted', summary, moved: null, steps: [], predictions: null };
  }
  if (reply.kind === 'over') {
    const { status, endedAtMs } = reply;
    const when = endedAtMs === undefined ? '' : `, at ${timeOf(endedAtMs)}`;
    const summary = `The task is over: it has ${OVER[status]}${when}.`;
    return { ...common, status, summary, moved: null, steps: [], predictions: null };
  }
  const steps = reply.steps.map((step): StepView => ({
    id: step.stepId,
    model: step.model,
    state: step.state,
    text: stepText(step),
    waits_for: step.state === 'waiting' ? asApiData(step.wait) : null,
    bound: step.state === 'waiting' && step.bound ? asApiData(step.bound) : null,
    start: step.state === 'waiting' && step.start ? asApiData(step.start) : null,
  }));
  const moved = reply.moved && movedView(reply.moved);
  const predictions = predictionsView(reply.predictions);
  const summary = [summaryOf(steps), ...(moved ? [moved.text] : [])].join(' ');
  return { ...common, status: 'open', summary, moved, steps, predictions };
};

const movedView = (moved: Moved): MovedView & { readonly text: string } => {
  const { to, reason, by, at } = moved;
  return { text: movedText(moved), to: to.kind, task: 'taskId' in to ? to.taskId : null, reason, by, at };
};

/** A sentence, and the same as data. */
export const predictionsView = (record: PredictionRecord | null): Readonly<Record<string, unknown>> | null =>
  record && {
    text: predictionsText(record),
    since: timeOf(record.sinceMs),
    count: record.count,
    off_by_ms_median: record.medianMs,
    off_by_ms_nine_of_ten: record.nineOfTenMs,
  };

const timeOf = (ms: number): string => new Date(ms).toISOString();

const OVER = { completed: 'completed', failed: 'failed', cancelled: 'been cancelled' } as const;

/** What runs says most; else the first step that waits for something outside of the task. */
const summaryOf = (steps: readonly StepView[]): string => {
  const running = steps.filter(({ state }) => state === 'running');
  const waiting = steps.filter(
    ({ state, waits_for }) =>
      state === 'waiting' && waits_for?.['kind'] !== 'steps' && waits_for?.['kind'] !== 'end',
  );
  const told = running.length > 0 ? running : waiting.slice(0, 1);
  return told.map(({ id, text }) => `Step '${id}' ${text}.`).join(' ');
};
