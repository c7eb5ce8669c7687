import { Controller, Inject } from '@nestjs/common';
import { MessagePattern, Payload } from '@nestjs/microservices';
import type { PastExplainAnswer } from '#libs/contracts/explain.js';
import type { QueryReply, RebuildReply } from '#libs/contracts/queries.js';
import { RPC } from '#libs/contracts/subjects.js';
import { PastExplainer } from './past/past-explainer.js';
import { QueryService } from './query/query.service.js';
import { ReadModel } from './read-model.js';

/** What results answers over the broker. */
@Controller()
export class ResultsController {
  constructor(
    @Inject(QueryService) private readonly queries: QueryService,
    @Inject(ReadModel) private readonly readModel: ReadModel,
    @Inject(PastExplainer) private readonly past: PastExplainer,
  ) {}

  @MessagePattern(RPC.query)
  query(@Payload() request: unknown): Promise<QueryReply> {
    return this.queries.answer(request);
  }

  @MessagePattern(RPC.explainPast)
  explainPast(@Payload() request: unknown): Promise<PastExplainAnswer> {
    return this.past.answer(request);
  }

  /** Starts a rebuild or joins the one that runs; with `follow` it only says how that stands. */
  @MessagePattern(RPC.rebuildResults)
  rebuild(@Payload() request: { readonly follow?: unknown } | null): RebuildReply {
    const rebuild =
      request?.follow === true ? this.readModel.rebuildStatus() : this.readModel.rebuild('asked for');
    return { rebuild };
  }
}
