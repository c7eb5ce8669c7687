import type { WorkflowTaskView } from '#libs/contracts/workflow-queries.js';
import type { WorkflowSubmitted } from '#libs/domain/task/scheduler-events.js';
import type { StoredEvent } from '#libs/event-log/event-log.js';
import { typedEvent } from '#libs/event-log/typed-event.js';
import type { Json } from './task-doc.js';

/** What a submission says of a workflow once and for all. How it stands follows from its tasks. */
export type NewWorkflow = {
  /** Sequence of the submission. */
  readonly seq: number;
  readonly id: string;
  readonly workspace: string;
  readonly name: string | null;
  readonly labels: Json;
  readonly createdAt: string;
  /** `WorkflowGraph`. */
  readonly tasks: Json;
};

/** The tasks in their order, each with its edges. */
export type WorkflowGraph = readonly Pick<WorkflowTaskView, 'name' | 'id' | 'template' | 'needs'>[];

/** Highest version of the event's data that is understood here. */
const DATA_VERSION_MAX = 1;

export const newWorkflowsIn = (events: readonly StoredEvent[]): readonly NewWorkflow[] =>
  events
    .filter(({ type, version }) => type === 'workflow.submitted' && version <= DATA_VERSION_MAX)
    .map((stored) => {
      const event = typedEvent<WorkflowSubmitted>(stored);
      return {
        seq: stored.seq,
        id: event.workflowId,
        workspace: event.workspace,
        name: event.name ?? null,
        labels: JSON.stringify(event.labels),
        createdAt: event.submittedAt,
        tasks: JSON.stringify(graphOf(event)),
      };
    });

const graphOf = ({ tasks }: WorkflowSubmitted): WorkflowGraph =>
  tasks.map(({ task, taskId, template, needs }) => ({
    name: task,
    id: taskId,
    template: template.name,
    needs: needs.map((need) => ({ task: need.task, on_failure: need.onFailure })),
  }));
