import type { Question } from '#libs/contracts/inbox-queries.js';
import type { AnswerContent, ApprovalWaiting, InputWaiting } from '#libs/domain/task/waiting-events.js';
import { authoredCheck } from '#libs/template/authored-schema.js';
import { pathText, problemAt } from '#libs/template/schema-check.js';
import { ApiError, type FieldProblem } from './http/problem.js';

/** What somebody sends as an answer, as it came. */
export type AnswerBody = {
  readonly decision?: 'approve' | 'reject';
  readonly choice?: string;
  readonly text?: unknown;
  readonly data?: unknown;
};

/** The answer in it, held to the question. Throws for what is none. */
export const answerContent = ({ waiting }: Question, body: AnswerBody): AnswerContent =>
  waiting.kind === 'approval' ? approvalOf(waiting, body) : inputOf(waiting, body);

const refused = (path: string, message: string, accepted: string): ApiError =>
  new ApiError('ANSWER_INVALID', `${path} ${message}; accepted: ${accepted}.`, [
    { path, message: `${path} ${message}`, accepted },
  ]);

const approvalOf = ({ choices, text, edit }: ApprovalWaiting, body: AnswerBody): AnswerContent => {
  const accepted = choices.join(', ');
  if (body.data !== undefined) throw refused('data', 'is not asked for here', 'decision or choice');
  if (body.decision !== undefined && body.choice !== undefined)
    throw refused('choice', 'was sent beside decision', 'one of the two');
  const choice = body.decision ?? body.choice;
  if (choice === undefined) throw refused('choice', 'is missing', accepted);
  if (!choices.includes(choice)) throw refused('choice', `is '${choice.slice(0, 80)}'`, accepted);
  if (body.text === undefined) return { kind: 'approval', choice, text };
  if (!edit) throw refused('text', 'may not be changed here', 'no text');
  if (typeof text === 'string' && typeof body.text !== 'string')
    throw refused('text', `is of type ${typeof body.text}`, 'a text, as what was shown');
  return { kind: 'approval', choice, text: body.text };
};

const inputOf = ({ schema }: InputWaiting, body: AnswerBody): AnswerContent => {
  for (const name of ['decision', 'choice', 'text'] as const)
    if (body[name] !== undefined) throw refused(name, 'is not asked for here', 'data');
  if (body.data === undefined) throw refused('data', 'is missing', 'an answer to the form');
  const problems = formProblems(schema, body.data);
  if (problems.length === 0) return { kind: 'human_input', data: body.data };
  throw new ApiError(
    'ANSWER_INVALID',
    problems.map(({ path, message }) => `${path}: ${message}`).join('; '),
    problems,
  );
};

/** The schema was judged when its template was loaded. */
const formProblems = (schema: InputWaiting['schema'], data: unknown): readonly FieldProblem[] => {
  const compiled = authoredCheck(schema);
  if (!compiled.ok) throw new Error(compiled.message);
  return compiled.check(data).map((problem) => problemAt(pathText('data', problem.segments), problem));
};
