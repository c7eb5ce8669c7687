import type { PastExplainReply } from '#libs/contracts/explain.js';
import type { StepExplanation } from '#libs/domain/policy/explain.js';
import type { PredictionRecord } from '#libs/domain/task/prediction-errors.js';
import { predictionsText, stepText } from './explanation-text.js';
import { asApiData } from './api-data.js';

/** `GET /tasks/{id}/explain`: sentences for people, and the same as data. */
export type ExplanationView = {
  readonly id: string;
  readonly status: 'open' | 'completed' | 'failed' | 'cancelled' | 'not_submitted';
  readonly as_of: string;
  readonly as_of_seq: number;
  readonly summary: string;
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
    return { ...common, status: 'not_submitted', summary, steps: [], predictions: null };
  }
  if (reply.kind === 'over') {
    const { status, endedAtMs } = reply;
    const when = endedAtMs === undefined ? '' : `, at ${timeOf(endedAtMs)}`;
    const summary = `The task is over: it has ${OVER[status]}${when}.`;
    return { ...common, status, summary, steps: [], predictions: null };
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
  const predictions = predictionsView(reply.predictions);
  return { ...common, status: 'open', summary: summaryOf(steps), steps, predictions };
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
    ({ state, waits_for }) => state === 'waiting' && waits_for?.['kind'] !== 'steps',
  );
  const told = running.length > 0 ? running : waiting.slice(0, 1);
  return told.map(({ id, text }) => `Step '${id}' ${text}.`).join(' ');
};
