import type { StepSpec } from '#libs/domain/task/step-spec.js';
import type { OnFailure } from '#libs/domain/task/workflow.js';
import { graphProblems, inOrder, reachableIn, type WorkflowGraph } from '#libs/domain/task/workflow-graph.js';
import type { CompiledTemplate } from '#libs/template/compiled-template.js';
import { checkEarly } from '#libs/template/late-parameters.js';
import { planSteps } from '#libs/template/plan-steps.js';
import { ApiError, type FieldProblem } from './http/problem.js';
import { partProblems, PROBLEMS_MAX } from './http/validation.js';
import {
  WORKFLOW_NEEDS_MAX,
  WorkflowTaskDto,
  type NeedDto,
  type SubmitWorkflowDto,
} from './submit-workflow.dto.js';
import { TEMPLATE_REF } from './template-ref.js';

/** A task of a workflow that passed every check. */
export type CheckedTask = {
  readonly name: string;
  readonly request: WorkflowTaskDto;
  readonly template: CompiledTemplate;
  readonly needs: readonly { readonly task: string; readonly onFailure: OnFailure }[];
  readonly parameters: Readonly<Record<string, unknown>>;
  readonly uses: readonly string[];
  readonly steps: readonly StepSpec[];
};

/** Throws `ApiError` for what is no template. */
type TemplateOf = (ref: string) => CompiledTemplate;

/** What a request calls the templates of its tasks, before it is checked. */
export const templateRefsOf = ({ tasks }: SubmitWorkflowDto): readonly string[] =>
  Object.values(tasks as Readonly<Record<string, { readonly template?: unknown } | null>>)
    .map((task) => task?.template)
    .filter((ref) => typeof ref === 'string' && TEMPLATE_REF.test(ref)) as readonly string[];

/** The tasks, each behind those that it needs. Throws `ApiError` with everything that is wrong and where, such as `tasks.draft.needs[0]`. */
export const checkedWorkflow = (
  { tasks }: SubmitWorkflowDto,
  templateOf: TemplateOf,
  numCtx: number,
): readonly CheckedTask[] => {
  const parts = partsOf(tasks);
  const graph: WorkflowGraph = new Map(
    [...parts].map(([name, { needs = [] }]) => [name, needs.map((need) => edgeOf(need).task)]),
  );
  refuseGraph(graph);
  const reachable = reachableIn(graph);
  const errors: ApiError[] = [];
  const checked = inOrder(graph).flatMap((name): CheckedTask[] => {
    const request = parts.get(name);
    if (request === undefined) return [];
    try {
      return [checkedTask(name, request, reachable.get(name) ?? new Set(), templateOf, numCtx)];
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      errors.push(error);
      return [];
    }
  });
  const [first] = errors;
  if (first === undefined) return checked;
  throw refusal(
    first.code,
    errors.flatMap((error) => error.errors),
    errors.map(({ message }) => message),
  );
};

/** Each task by itself, before they are looked at together. */
const partsOf = (tasks: SubmitWorkflowDto['tasks']): ReadonlyMap<string, WorkflowTaskDto> => {
  const problems = Object.entries(tasks).flatMap(([name, task]) =>
    partProblems(WorkflowTaskDto, task, `tasks.${name}`),
  );
  if (problems.length > 0)
    throw refusal(
      'VALIDATION_FAILED',
      problems,
      problems.map(({ message }) => message),
    );
  return new Map(Object.entries(tasks as Readonly<Record<string, WorkflowTaskDto>>));
};

const refuseGraph = (graph: WorkflowGraph): void => {
  const count = [...graph.values()].reduce((sum, needs) => sum + needs.length, 0);
  if (count > WORKFLOW_NEEDS_MAX) {
    const accepted = `up to ${WORKFLOW_NEEDS_MAX} needs in all`;
    const message = `the tasks have ${count} needs; accepted: ${accepted}`;
    throw new ApiError('WORKFLOW_INVALID', message, [{ path: 'tasks', value: count, message, accepted }]);
  }
  const problems = graphProblems(graph).map(({ task, place, message, accepted }): FieldProblem => {
    const path = `tasks.${task}.needs[${place}]`;
    return { path, value: graph.get(task)?.[place], message, accepted };
  });
  if (problems.length === 0) return;
  throw refusal(
    'WORKFLOW_INVALID',
    problems,
    problems.map(({ path, message, accepted }) => `${path}: ${message}; accepted: ${accepted}`),
  );
};

const checkedTask = (
  name: string,
  request: WorkflowTaskDto,
  readable: ReadonlySet<string>,
  templateOf: TemplateOf,
  numCtx: number,
): CheckedTask => {
  try {
    const template = templateOf(request.template);
    const early = checkEarly(template, request.parameters ?? {}, readable);
    if (!early.ok) {
      const said = early.problems.map(({ path, message }) => `${path}: ${message}`).join('; ');
      throw new ApiError('PARAMETERS_INVALID', said, early.problems);
    }
    const { parameters, uses, late } = early;
    const planned = planSteps(template, parameters, { numCtx }, late);
    if (!planned.ok) throw ApiError.of(planned.failure);
    const needs = (request.needs ?? []).map(edgeOf);
    return { name, request, template, needs, parameters, uses, steps: planned.steps };
  } catch (error) {
    throw error instanceof ApiError ? placed(error, `tasks.${name}`) : error;
  }
};

const edgeOf = (need: NeedDto): CheckedTask['needs'][number] =>
  typeof need === 'string'
    ? { task: need, onFailure: 'fail' }
    : { task: need.task, onFailure: need.on_failure ?? 'fail' };

/** The same error as one of a part of the request. */
const placed = (error: ApiError, at: string): ApiError =>
  new ApiError(
    error.code,
    `${at}: ${error.message}`,
    error.errors.map((problem) => ({ ...problem, path: `${at}.${problem.path}` })),
    error.details,
  );

const refusal = (
  code: ApiError['code'],
  problems: readonly FieldProblem[],
  said: readonly string[],
): ApiError => {
  const more = said.length > PROBLEMS_MAX ? `; and ${said.length - PROBLEMS_MAX} more` : '';
  return new ApiError(code, said.slice(0, PROBLEMS_MAX).join('; ') + more, problems.slice(0, PROBLEMS_MAX));
};
