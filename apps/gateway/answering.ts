import { randomUUID } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import type { Question } from '#libs/contracts/inbox-queries.js';
import type { TaskView } from '#libs/contracts/queries.js';
import { alreadyAnswered } from '#libs/domain/task/answer-step.js';
import type { Failure } from '#libs/domain/errors.js';
import { answerContent, type AnswerBody } from './answer-content.js';
import { ApiError } from './http/problem.js';
import { PlatformClient } from './platform-client.js';
import { ResultsClient } from './results-client.js';
import { SchedulerClient } from './scheduler-client.js';

export type AnswerSent = AnswerBody & {
  readonly by: string;
  readonly comment: string | null;
  /** What was asked, where the sender knows; another question is not answered by it. */
  readonly waitingSeq?: number;
};

/** Questions to people, and their answers. Who is too late is told who was first, also when the task is over by now. */
@Injectable()
export class Answering {
  constructor(
    @Inject(SchedulerClient) private readonly scheduler: SchedulerClient,
    @Inject(PlatformClient) private readonly platform: PlatformClient,
    @Inject(ResultsClient) private readonly results: ResultsClient,
  ) {}

  /** What the step asks. Throws where it asks nobody. */
  async question(taskId: string, stepId: string): Promise<Question> {
    const reply = await this.platform.question({ taskId, stepId });
    if (reply.ok) return reply.question;
    throw await this.#refusal(taskId, stepId, reply.failure);
  }

  /** True once the answer counts, false when it is stored and will be decided. Throws where it does not fit or comes too late. */
  async answer(
    taskId: string,
    stepId: string,
    { by, comment, waitingSeq, ...body }: AnswerSent,
    traceparent: string | undefined,
  ): Promise<boolean> {
    const question = await this.question(taskId, stepId);
    if (waitingSeq !== undefined && waitingSeq !== question.waitingSeq) {
      const message = `Step '${stepId}' of task ${taskId} asks something else by now.`;
      throw new ApiError('STEP_NOT_WAITING', message);
    }
    const answer = { ...answerContent(question, body), by, comment };
    const about = { taskId, stepId, waitingSeq: question.waitingSeq };
    const command = { kind: 'answer', commandId: randomUUID(), ...about, answer } as const;
    const decided = await this.scheduler.send(command, traceparent);
    if (decided === null) return false;
    if (decided.ok) return true;
    throw await this.#refusal(taskId, stepId, decided.failure);
  }

  /** The scheduler forgets the steps of a task that is over; the read model has who answered them. */
  async #refusal(taskId: string, stepId: string, failure: Failure): Promise<ApiError> {
    if (failure.code !== 'TASK_ALREADY_OVER') return ApiError.of(failure);
    const task = await this.results.ask<TaskView>({ kind: 'task', taskId });
    const waiting = task.steps.find(({ id }) => id === stepId)?.waiting ?? null;
    if (waiting === null || waiting.answered_at === null) return ApiError.of(failure);
    const { answered_by: by, answered_at: at } = waiting;
    return ApiError.of(alreadyAnswered(taskId, stepId, { by, at }).refused);
  }
}
