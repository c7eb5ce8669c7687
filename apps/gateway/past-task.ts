import { MESSAGE_MAX_BYTES } from '#libs/contracts/streams.js';
import type { StepId, TaskId } from '#libs/domain/ids.js';
import type { KeptStep, TaskEvent, TaskSubmitted } from '#libs/domain/task/events.js';
import { neededOutside } from '#libs/domain/task/needs.js';
import { stepsOver, stepsToKeep } from '#libs/domain/task/kept-steps.js';
import { ApiError } from './http/problem.js';

/** What the log says of a task, as far as another run of it needs that. */
export type PastTask = {
  readonly submitted: TaskSubmitted;
  /** As it was changed last. */
  readonly priority: number;
  /** Steps that were over, as a run from another step keeps them. */
  readonly over: ReadonlyMap<StepId, KeptStep>;
};

/** Throws for events that do not begin with the submission. */
export const pastTaskOf = (events: readonly TaskEvent[]): PastTask => {
  const [submitted] = events;
  if (submitted?.type !== 'task.submitted')
    throw new Error(`a task begins with ${submitted?.type ?? 'nothing'}`);
  let { priority } = submitted;
  for (const event of events) if (event.type === 'task.priority-changed') ({ priority } = event);
  return { submitted, priority, over: stepsOver(events) };
};

/** The tasks that another run waits for. Throws where it would need results of a workflow: the scheduler does not keep them. */
export const dependenciesOf = ({ submitted }: PastTask): readonly TaskId[] => {
  const { taskId, workflow } = submitted;
  if (workflow !== undefined && workflow.uses.length > 0) {
    const names = workflow.uses.map(({ task }) => task).join(', ');
    throw new ApiError(
      'RERUN_NEEDS_WORKFLOW',
      `The parameters of task ${taskId} read results of ${names} in workflow ${workflow.workflowId}; submit the workflow again.`,
    );
  }
  return neededOutside(submitted);
};

/** The steps that a run from this step on keeps; none for a run from the start. */
export const keptOf = ({ submitted, over }: PastTask, fromStep: StepId | undefined): readonly KeptStep[] => {
  if (fromStep === undefined) return [];
  const { steps, taskId } = submitted;
  const from = steps.find(({ id }) => id === fromStep);
  if (from === undefined || from.atEnd) {
    const accepted = steps.flatMap(({ id, atEnd }) => (atEnd ? [] : id)).join(', ');
    const why = from ? 'runs at the end of every run' : 'is not a step';
    const message = `from_step '${fromStep}' ${why} of task ${taskId}; accepted: ${accepted}.`;
    throw new ApiError('VALIDATION_FAILED', message, [
      { path: 'from_step', value: fromStep, message: `${why} of the task`, accepted },
    ]);
  }
  const kept = stepsToKeep(steps, fromStep, new Set(over.keys())).flatMap((id) => over.get(id) ?? []);
  const bytes = Buffer.byteLength(JSON.stringify(kept));
  if (bytes <= MESSAGE_MAX_BYTES) return kept;
  throw new ApiError(
    'BODY_TOO_LARGE',
    `The outputs to be kept have ${bytes} bytes, and one event holds ${MESSAGE_MAX_BYTES}; rerun the whole task, or from an earlier step.`,
  );
};
