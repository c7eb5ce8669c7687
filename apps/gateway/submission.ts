import { createHash, randomUUID } from 'node:crypto';
import type { CommandAnswer, SubmitTask } from '#libs/contracts/commands.js';
import { canonicalJson } from '#libs/domain/canonical.js';
import { rfc3339, type Clock } from '#libs/runtime/clock.js';
import type { CompiledTemplate } from '#libs/template/compiled-template.js';
import { planSteps } from '#libs/template/plan-steps.js';
import { validateParameters } from '#libs/template/validate-parameters.js';
import { ApiError } from './http/problem.js';
import type { LateDecisions } from './late-decisions.js';
import type { SchedulerClient } from './scheduler-client.js';
import type { SubmitTaskDto } from './submit-task.dto.js';
import { dependenciesOf, keptOf, type PastTask } from './past-task.js';
import { queueTimesOf } from './queue-times.js';
import { newTaskId } from './task-id.js';
import type { TemplateRegistry } from './template-registry.js';
import type { TemplateFinder } from './template-finder.js';

export type Submitted = { readonly command: SubmitTask; readonly answer: CommandAnswer | null };

/** Priority of a task that does not say one: the middle. */
export const PRIORITY_DEFAULT = 5;

/** Checks a request against its template, makes the command of it, and sends it. */
export class Submission {
  constructor(
    private readonly templates: TemplateFinder,
    private readonly scheduler: SchedulerClient,
    private readonly numCtx: number,
    private readonly clock: Clock,
    private readonly late: LateDecisions,
    private readonly registry: TemplateRegistry,
  ) {
    scheduler.onLateAnswer((answer) => late.decided(answer));
  }

  async submit(
    request: SubmitTaskDto,
    idempotencyKey: string | undefined,
    traceparent: string | undefined,
  ): Promise<Submitted> {
    const { template, isCurrent } = await this.templates.find(request.template);
    const command = this.#command(request, template, idempotencyKey);
    const known = [...this.templates.below([template]), ...(isCurrent ? [template] : [])];
    const answer = await this.registry.submitWith(known, (isRepeated) =>
      this.#send(isRepeated ? { ...command, commandId: randomUUID() } : command, traceparent),
    );
    return { command, answer };
  }

  /** The same task once more, from what its events say of it. */
  async rerun(
    past: PastTask,
    fromStep: string | undefined,
    idempotencyKey: string | undefined,
    traceparent: string | undefined,
  ): Promise<Submitted> {
    const { taskId: rerunOf, workspace, template, parameters, labels, steps } = past.submitted;
    const nowMs = this.clock.nowMs();
    const taskId = newTaskId(nowMs);
    const kept = keptOf(past, fromStep);
    const command: SubmitTask = {
      kind: 'submit',
      commandId: taskId,
      taskId,
      workspace,
      template,
      parameters,
      dependsOn: dependenciesOf(past),
      labels,
      steps,
      priority: past.priority,
      submittedAt: rfc3339(nowMs),
      rerunOf,
      ...(kept.length === 0 ? {} : { kept }),
      ...idempotencyOf(idempotencyKey, { rerunOf, fromStep: fromStep ?? null }),
    };
    return { command, answer: await this.#send(command, traceparent) };
  }

  async #send(command: SubmitTask, traceparent: string | undefined): Promise<CommandAnswer | null> {
    const answer = await this.scheduler.send(command, traceparent);
    if (answer === null) this.late.expect(command.commandId, command.taskId);
    return answer;
  }

  #command(
    request: SubmitTaskDto,
    template: CompiledTemplate,
    idempotencyKey: string | undefined,
  ): SubmitTask {
    const checked = validateParameters(template, request.parameters ?? {});
    if (!checked.ok) {
      const said = checked.problems.map(({ path, message }) => `${path}: ${message}`).join('; ');
      throw new ApiError('PARAMETERS_INVALID', said, checked.problems);
    }
    const planned = planSteps(template, checked.parameters, { numCtx: this.numCtx });
    if (!planned.ok) throw ApiError.of(planned.failure);
    const nowMs = this.clock.nowMs();
    const workspace = request.workspace ?? 'default';
    const taskId = newTaskId(nowMs);
    return {
      kind: 'submit',
      commandId: taskId,
      taskId,
      workspace,
      template: { name: template.name, version: template.version },
      parameters: checked.parameters,
      priority: request.priority ?? PRIORITY_DEFAULT,
      dependsOn: request.depends_on ?? [],
      labels: request.labels ?? {},
      steps: planned.steps,
      submittedAt: rfc3339(nowMs),
      ...queueTimesOf(request, nowMs),
      ...idempotencyOf(idempotencyKey, request),
    };
  }
}

/** Equal requests have equal hashes, whatever the order of their fields. */
const idempotencyOf = (key: string | undefined, request: object): Pick<SubmitTask, 'idempotency'> =>
  key === undefined
    ? {}
    : {
        idempotency: {
          key,
          requestHash: createHash('sha256').update(canonicalJson(request)).digest('hex'),
        },
      };
