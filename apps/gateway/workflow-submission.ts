import { createHash, randomUUID } from 'node:crypto';
import type { CommandAnswer, SubmitWorkflow } from '#libs/contracts/commands.js';
import { canonicalJson } from '#libs/domain/canonical.js';
import type { WorkflowTask } from '#libs/domain/task/scheduler-events.js';
import { rfc3339, type Clock } from '#libs/runtime/clock.js';
import type { CompiledTemplate } from '#libs/template/compiled-template.js';
import type { LateDecisions } from './late-decisions.js';
import type { SchedulerClient } from './scheduler-client.js';
import { PRIORITY_DEFAULT } from './submission.js';
import type { SubmitWorkflowDto } from './submit-workflow.dto.js';
import { newTaskId } from './task-id.js';
import type { TemplateRegistry } from './template-registry.js';
import type { TemplateFinder } from './template-finder.js';
import { checkedWorkflow, templateRefsOf, type CheckedTask } from './workflow-check.js';

export type SubmittedWorkflow = {
  readonly command: SubmitWorkflow;
  readonly answer: CommandAnswer | null;
};

/** Checks all tasks of a workflow against their templates, makes one command of them, and sends it. */
export class WorkflowSubmission {
  constructor(
    private readonly templates: TemplateFinder,
    private readonly scheduler: SchedulerClient,
    private readonly numCtx: number,
    private readonly clock: Clock,
    private readonly late: LateDecisions,
    private readonly registry: TemplateRegistry,
  ) {}

  async submit(
    request: SubmitWorkflowDto,
    idempotencyKey: string | undefined,
    traceparent: string | undefined,
  ): Promise<SubmittedWorkflow> {
    const templateOf = await this.templates.all(templateRefsOf(request));
    const checked = checkedWorkflow(request, (ref) => templateOf(ref).template, this.numCtx);
    const command = this.#command(request, checked, idempotencyKey);
    const current = checked.filter(({ request: { template } }) => templateOf(template).isCurrent);
    const templates = new Map(current.map(({ template }) => [template.version, template]));
    const children = this.templates.below(checked.map(({ template }) => template));
    const answer = await this.registry.submitWith([...children, ...templates.values()], (isRepeated) =>
      this.#send(isRepeated ? { ...command, commandId: randomUUID() } : command, traceparent),
    );
    return { command, answer };
  }

  async #send(command: SubmitWorkflow, traceparent: string | undefined): Promise<CommandAnswer | null> {
    const answer = await this.scheduler.send(command, traceparent);
    if (answer === null) this.late.expect(command.commandId, command.workflowId);
    return answer;
  }

  #command(
    request: SubmitWorkflowDto,
    checked: readonly CheckedTask[],
    key: string | undefined,
  ): SubmitWorkflow {
    const nowMs = this.clock.nowMs();
    const workflowId = newTaskId(nowMs);
    const ids = new Map(checked.map(({ name }) => [name, newTaskId(nowMs)]));
    const named = (task: string) => ({ task, taskId: ids.get(task) ?? '' });
    const { labels = {}, priority = PRIORITY_DEFAULT } = request;
    const tasks = checked.map(({ name, request: task, template, ...facts }): WorkflowTask => ({
      ...named(name),
      template: refOf(template),
      parameters: facts.parameters,
      priority: task.priority ?? priority,
      labels: { ...labels, ...task.labels },
      needs: facts.needs.map((need) => ({ ...named(need.task), onFailure: need.onFailure })),
      uses: facts.uses.map(named),
      steps: facts.steps,
    }));
    return {
      kind: 'workflow',
      commandId: workflowId,
      workflowId,
      workspace: request.workspace ?? 'default',
      ...(request.name === undefined ? {} : { name: request.name }),
      labels,
      tasks,
      submittedAt: rfc3339(nowMs),
      ...(key === undefined ? {} : { idempotency: { key, requestHash: requestHash(request) } }),
    };
  }
}

const refOf = ({ name, version }: CompiledTemplate) => ({ name, version });

/** Of the kind too: the same key for a task finds no workflow. */
const requestHash = (workflow: SubmitWorkflowDto): string =>
  createHash('sha256').update(canonicalJson({ workflow })).digest('hex');
