import type { ExplainReply } from '#libs/contracts/explain.js';
import type { StepExplanation } from '#libs/domain/policy/explain.js';
import { stepText } from './explanation-text.js';
import { asApiData } from './api-data.js';

/** `GET /tasks/{id}/explain`: sentences for people, and the same as data. */
export type ExplanationView = {
  readonly id: string;
  readonly status: 'open' | 'completed' | 'failed' | 'cancelled';
  readonly as_of: string;
  readonly as_of_seq: number;
  readonly summary: string;
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
    return { ...common, status, summary: `The task is over: it has ${OVER[status]}.`, steps: [] };
  }
  const steps = reply.steps.map((step): StepView => ({
    id: step.stepId,
    model: step.model,
    state: step.state,
    text: stepText(step),
    waits_for: step.state === 'waiting' ? asApiData(step.wait) : null,
    bound: step.state === 'waiting' && step.bound ? asApiData(step.bound) : null,
  }));
  return { ...common, status: 'open', summary: summaryOf(steps), steps };
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
