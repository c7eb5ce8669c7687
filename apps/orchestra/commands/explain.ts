import { ProblemError } from '../client/api.js';
import { taskPath } from '../client/task-view.js';
import type { Session } from '../session.js';

type Explanation = {
  readonly as_of: string;
  readonly summary: string;
  readonly moved: { readonly text: string } | null;
  readonly steps: readonly { readonly id: string; readonly text: string }[];
  readonly predictions: { readonly text: string } | null;
};

/** `orchestra explain`: now, or at a moment of the past. */
export const explain = async (id: string, at: string | undefined, session: Session): Promise<void> => {
  const { out } = session;
  const found = await asked(id, at, session);
  out.show(found, () => [
    ...(at === undefined ? [] : [out.colour('dim', `as of ${found.as_of}`)]),
    ...(found.steps.length === 0
      ? [found.summary]
      : found.steps.map((step) => `${out.colour('bold', step.id)}  ${step.text}`)),
    ...(found.moved === null || found.steps.length === 0 ? [] : [found.moved.text]),
    ...(found.predictions === null ? [] : [found.predictions.text]),
  ]);
};

/** A long log is read in several requests, each of which goes on where the last one stopped. */
const asked = async (id: string, at: string | undefined, { api, out }: Session): Promise<Explanation> => {
  for (;;) {
    try {
      const query = at === undefined ? {} : { at };
      return await api.call<Explanation>('GET', `${taskPath(id)}/explain`, { query });
    } catch (error) {
      if (!(error instanceof ProblemError) || error.problem?.code !== 'PAST_UNREAD') throw error;
      out.note(`reading the log: ${progressText(error)}`);
    }
  }
};

const progressText = ({ problem }: ProblemError): string => {
  const { seq, until } = problem?.details ?? {};
  return `event ${String(seq)} of ${String(until)}`;
};
