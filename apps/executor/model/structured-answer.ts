import type { ChatRequest, GenerateRequest, ModelAnswer } from '#libs/model-runner/model-runner.js';
import { addUsage, type ModelUsage } from '#libs/domain/usage.js';
import { authoredCheck } from '#libs/template/authored-schema.js';
import type { ValueProblem } from '#libs/template/compiled-template.js';
import { pathText, problemAt, type SchemaCheck } from '#libs/template/schema-check.js';
import { StepError } from '../step-error.js';

type Request = GenerateRequest | ChatRequest;

export type Structured = {
  /** The last answer, with the usage of all. */
  readonly answer: ModelAnswer;
  /** Absent when the model calls tools instead. */
  readonly json?: unknown;
  /** How often it had to be asked again. */
  readonly repairs: number;
};

export type Asking = {
  readonly ask: (request: Request) => Promise<ModelAnswer>;
  readonly repairsMax: number;
  readonly progress: (message: string, completed?: number, total?: number) => void;
};

/** What is told of a wrong answer must leave room for a right one. */
const ANSWER_TOLD_CHARS = 8_000;
const PROBLEMS_TOLD = 20;
const PROBLEM_TOLD_CHARS = 300;

/**
 * An answer that fits the schema. One that does not is asked for again, with what is wrong with it; a repair knows the
 * question and the last answer, so that the conversation does not grow out of the model's context.
 */
export const structuredAnswer = async (
  request: Request,
  schema: object,
  { ask, repairsMax, progress }: Asking,
): Promise<Structured> => {
  const compiled = authoredCheck(schema);
  if (!compiled.ok) throw new StepError('STEP_INPUT_INVALID', `format: ${compiled.message}.`);
  let usage: ModelUsage | null = null;
  let next = request;
  for (let repairs = 0; ; repairs += 1) {
    const answer = await ask(next);
    usage = usage === null ? answer.usage : addUsage(usage, answer.usage);
    const all = { ...answer, usage };
    if (answer.toolCalls !== undefined && answer.toolCalls.length > 0) return { answer: all, repairs };
    const judged = judge(answer, compiled.check);
    if ('json' in judged) return { answer: all, json: judged.json, repairs };
    if (repairs >= repairsMax) throw givenUp(judged.problems, repairs);
    progress('the answer does not fit its schema; asking again', repairs + 1, repairsMax);
    next = withComplaint(request, answer.text, judged.problems);
  }
};

type Judged = { readonly json: unknown } | { readonly problems: readonly ValueProblem[] };

const judge = ({ text, doneReason }: ModelAnswer, check: SchemaCheck): Judged => {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    const cut = doneReason === 'length' ? 'is cut off (options.num_predict)' : 'is not JSON';
    const message = `${cut} after ${text.length} characters`;
    return { problems: [{ path: 'json', message, accepted: 'JSON and nothing else' }] };
  }
  const problems = check(json).map((problem) => problemAt(pathText('json', problem.segments), problem));
  return problems.length === 0 ? { json } : { problems };
};

const withComplaint = (request: Request, said: string, problems: readonly ValueProblem[]): Request => {
  const answer = said.slice(0, ANSWER_TOLD_CHARS);
  const list = problems
    .slice(0, PROBLEMS_TOLD)
    .map(({ path, message }) => `- ${path}: ${message}`.slice(0, PROBLEM_TOLD_CHARS))
    .join('\n');
  const complaint = `Your answer (called json here) does not fit the JSON Schema that it has to fit:\n${list}\nGive the whole answer again, as JSON that fits the schema, and nothing else.`;
  if (request.kind === 'generate')
    return { ...request, prompt: `${request.prompt}\n\nYour answer was:\n${answer}\n\n${complaint}` };
  return {
    ...request,
    messages: [
      ...request.messages,
      { role: 'assistant', content: answer },
      { role: 'user', content: complaint },
    ],
  };
};

const givenUp = (problems: readonly ValueProblem[], repairs: number): StepError => {
  const said = problems.map(({ path, message }) => `${path}: ${message}`).join('; ');
  const asked = repairs === 0 ? '' : `, also after it was asked for again (${repairs})`;
  return new StepError(
    'MODEL_ANSWER_INVALID',
    `The answer does not fit the schema in format${asked}: ${said}`,
    { problems, repairs },
  );
};
