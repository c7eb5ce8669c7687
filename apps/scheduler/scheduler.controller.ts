import { Controller, Inject } from '@nestjs/common';
import { MessagePattern, Payload } from '@nestjs/microservices';
import type { ExplainReply, ExplainRequest, QueueReply, QueueRequest } from '#libs/contracts/explain.js';
import { RPC } from '#libs/contracts/subjects.js';
import type {
  ScheduleListReply,
  ScheduleListRequest,
  ScheduleReply,
  ScheduleRequest,
} from '#libs/contracts/schedule-queries.js';
import type {
  InboxReply,
  InboxRequest,
  QuestionReply,
  QuestionRequest,
} from '#libs/contracts/inbox-queries.js';
import type { Pause } from '#libs/domain/task/pauses.js';
import { SchedulerService } from './scheduler.service.js';
import { stateDigest, type StateDigest } from '#libs/audit/state-digest.js';

/** What others may ask the scheduler that leads. */
@Controller()
export class SchedulerController {
  constructor(@Inject(SchedulerService) private readonly scheduler: SchedulerService) {}

  /** The folded state and where it stands, once everything decided so far is in the log. */
  @MessagePattern(RPC.stateDigest)
  async digest(): Promise<StateDigest> {
    return stateDigest(await this.scheduler.settledBook());
  }

  @MessagePattern(RPC.explain)
  explain(@Payload() { taskId }: ExplainRequest): ExplainReply {
    return this.scheduler.explain(taskId);
  }

  @MessagePattern(RPC.pauses)
  pauses(): readonly Pause[] {
    return this.scheduler.pauses();
  }

  @MessagePattern(RPC.schedules)
  schedules(@Payload() request: ScheduleListRequest): ScheduleListReply {
    return this.scheduler.schedules(request);
  }

  @MessagePattern(RPC.schedule)
  schedule(@Payload() request: ScheduleRequest): ScheduleReply {
    return this.scheduler.schedule(request);
  }

  @MessagePattern(RPC.inbox)
  inbox(@Payload() request: InboxRequest): InboxReply {
    return this.scheduler.inbox(request);
  }

  @MessagePattern(RPC.question)
  question(@Payload() request: QuestionRequest): QuestionReply {
    return this.scheduler.question(request);
  }

  @MessagePattern(RPC.queue)
  queue(@Payload() request: QueueRequest): QueueReply {
    return this.scheduler.queue(request);
  }
}
