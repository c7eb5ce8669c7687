import { Body, Controller, Delete, Get, Headers, Inject, Param, Post, Query, Res } from '@nestjs/common';
import { ApiExtraModels, ApiHeader, ApiOperation, ApiParam, ApiResponse, ApiTags } from '@nestjs/swagger';
import { randomUUID } from 'node:crypto';
import type { FastifyReply } from 'fastify';
import type { WorkflowPage, WorkflowTaskView, WorkflowView } from '#libs/contracts/workflow-queries.js';
import { schemaRef } from './http/openapi-schemas.js';
import { ApiError } from './http/problem.js';
import { idempotencyKeyOf, workflowIdOf } from './http/request-parts.js';
import { LateDecisions } from './late-decisions.js';
import { Metrics } from './metrics.js';
import { ResultsClient } from './results-client.js';
import { SchedulerClient } from './scheduler-client.js';
import { ListWorkflowsDto, SubmitWorkflowDto, WorkflowTaskDto } from './submit-workflow.dto.js';
import { TASKS_PATH } from './submitted-view.js';
import type { Undecided } from './submitted-view.js';
import { WorkflowSubmission, type SubmittedWorkflow } from './workflow-submission.js';

const PATH = '/api/v1/workflows';
const PAGE_SIZE_DEFAULT = 20;

/** A workflow with the addresses of its tasks, where their results are. */
type LinkedWorkflow = Omit<WorkflowView, 'tasks'> & {
  readonly tasks: readonly (WorkflowTaskView & { readonly task_url: string })[];
};

/** What clients do with workflows: tasks that are submitted together and need each other. */
@ApiTags('workflows')
@ApiExtraModels(WorkflowTaskDto)
@Controller(PATH.slice(1))
export class WorkflowsController {
  constructor(
    @Inject(WorkflowSubmission) private readonly submission: WorkflowSubmission,
    @Inject(SchedulerClient) private readonly scheduler: SchedulerClient,
    @Inject(ResultsClient) private readonly results: ResultsClient,
    @Inject(LateDecisions) private readonly late: LateDecisions,
    @Inject(Metrics) private readonly metrics: Metrics,
  ) {}

  @Post()
  @ApiOperation({
    summary: 'Submit a workflow: all of its tasks or none',
    description: 'A body of type application/yaml is accepted too.',
  })
  @ApiHeader({
    name: 'Idempotency-Key',
    required: false,
    description:
      'The same key with the same body finds the first workflow; with another body it is refused (422).',
  })
  @ApiResponse({ status: 201, description: 'Accepted and queued.', schema: schemaRef('SubmittedWorkflow') })
  @ApiResponse({
    status: 200,
    description: 'The key was seen before: the first workflow.',
    schema: schemaRef('Workflow'),
  })
  @ApiResponse({
    status: 202,
    description: 'Stored; the decision follows.',
    schema: schemaRef('SubmittedWorkflow'),
  })
  async submit(
    @Body() body: SubmitWorkflowDto,
    @Headers('idempotency-key') key: string | undefined,
    @Headers('traceparent') traceparent: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<object> {
    const submitted = await this.submission.submit(body, idempotencyKeyOf(key), traceparent);
    const { command, answer } = submitted;
    if (answer?.ok === false) throw ApiError.of(answer.failure);
    const id = answer?.workflowId ?? command.workflowId;
    const outcome = answer === null ? 'stored' : answer.repeated ? 'repeated' : 'queued';
    for (const { template } of command.tasks) this.metrics.submitted(template.name, outcome);
    void reply.header('location', `${PATH}/${id}`).status(STATUS_OF[outcome]);
    return outcome === 'repeated' ? await this.#view(id) : submittedView(submitted);
  }

  @Get()
  @ApiOperation({ summary: 'List workflows, newest first' })
  @ApiResponse({ status: 200, description: 'A page of them.', schema: schemaRef('WorkflowPage') })
  async list(@Query() { workspace, page_size: size, after }: ListWorkflowsDto): Promise<WorkflowPage> {
    return await this.results.ask<WorkflowPage>({
      kind: 'workflows',
      filter: workspace === undefined ? {} : { workspace },
      page: { size: size ?? PAGE_SIZE_DEFAULT, ...(after === undefined ? {} : { after }) },
    });
  }

  @Get(':id')
  @ApiOperation({ summary: 'One workflow: its tasks, what they need, and how each stands' })
  @ApiParam({ name: 'id' })
  @ApiResponse({ status: 200, description: 'The workflow.', schema: schemaRef('Workflow') })
  @ApiResponse({ status: 202, description: 'Stored; the decision follows.', schema: schemaRef('Undecided') })
  async get(
    @Param('id') given: string,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<LinkedWorkflow | Undecided> {
    const id = workflowIdOf(given);
    const decision = this.late.of(id);
    if (decision?.kind === 'refused') throw ApiError.of(decision.failure);
    if (decision?.kind === 'repeated') return await this.#view(decision.taskId);
    try {
      return await this.#view(id);
    } catch (error) {
      const isOpen = decision?.kind === 'open';
      if (!isOpen || !(error instanceof ApiError) || error.code !== 'WORKFLOW_UNKNOWN') throw error;
      void reply.status(202);
      return undecided(id);
    }
  }

  @Delete(':id')
  @ApiOperation({
    summary: 'Cancel a workflow: all of its tasks that are not over',
    description:
      'A running task is over when its server was seen free: follow the workflow until it has ended.',
  })
  @ApiParam({ name: 'id' })
  @ApiResponse({
    status: 202,
    description: 'The workflow, cancelled or being cancelled.',
    schema: schemaRef('Workflow'),
  })
  async cancel(
    @Param('id') given: string,
    @Headers('traceparent') traceparent: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<LinkedWorkflow | Undecided> {
    const workflowId = workflowIdOf(given);
    const answer = await this.scheduler.send(
      { kind: 'cancel-workflow', commandId: randomUUID(), workflowId, reason: 'asked by a client' },
      traceparent,
    );
    void reply.status(202);
    if (answer === null) return undecided(workflowId);
    if (!answer.ok) throw ApiError.of(answer.failure);
    return await this.#view(workflowId);
  }

  async #view(workflowId: string): Promise<LinkedWorkflow> {
    const view = await this.results.ask<WorkflowView>({ kind: 'workflow', workflowId });
    return { ...view, tasks: view.tasks.map((task) => ({ ...task, task_url: `${TASKS_PATH}/${task.id}` })) };
  }
}

const STATUS_OF = { queued: 201, repeated: 200, stored: 202 } as const;

const undecided = (id: string): Undecided => ({ id, status: 'accepted', status_url: `${PATH}/${id}` });

const submittedView = ({ command, answer }: SubmittedWorkflow): object => ({
  id: command.workflowId,
  name: command.name ?? null,
  status: answer === null ? 'accepted' : 'queued',
  workspace: command.workspace,
  labels: command.labels,
  created_at: command.submittedAt,
  status_url: `${PATH}/${command.workflowId}`,
  tasks: command.tasks.map(({ task, taskId }) => ({
    name: task,
    id: taskId,
    task_url: `${TASKS_PATH}/${taskId}`,
  })),
});
