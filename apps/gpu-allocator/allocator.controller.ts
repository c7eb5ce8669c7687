import { Controller, Inject } from '@nestjs/common';
import { MessagePattern, Payload } from '@nestjs/microservices';
import type {
  DrainRequest,
  EnsureResidentReply,
  EnsureResidentRequest,
  GiveBackReply,
  GiveBackRequest,
  GrantReply,
  GrantRequest,
  PresentReply,
  PresentRequest,
  PutServerRequest,
  RemoveServerReply,
  RemoveServerRequest,
  ServerReply,
  ServerView,
} from '#libs/contracts/lease-rpc.js';
import { RPC } from '#libs/contracts/subjects.js';
import { AllocatorService } from './allocator.service.js';

/** Requests of the scheduler, the executors and the gateway. Without leadership there is no answer: the caller asks again. */
@Controller()
export class AllocatorController {
  constructor(@Inject(AllocatorService) private readonly allocator: AllocatorService) {}

  @MessagePattern(RPC.grantLeases)
  async grant(@Payload() request: GrantRequest): Promise<GrantReply> {
    return await this.allocator.term().desk.grant(request);
  }

  @MessagePattern(RPC.presentLeases)
  present(@Payload() request: PresentRequest): PresentReply {
    return this.allocator.term().desk.present(request);
  }

  @MessagePattern(RPC.giveBackLeases)
  giveBack(@Payload() request: GiveBackRequest): GiveBackReply {
    return this.allocator.term().desk.giveBack(request);
  }

  @MessagePattern(RPC.ensureResident)
  async ensureResident(@Payload() request: EnsureResidentRequest): Promise<EnsureResidentReply> {
    return await this.allocator.term().keeper.ensure(request);
  }

  @MessagePattern(RPC.drainServer)
  async drain(@Payload() request: DrainRequest): Promise<ServerReply> {
    return await this.allocator.term().drain(request);
  }

  @MessagePattern(RPC.putServer)
  async putServer(@Payload() request: PutServerRequest): Promise<ServerReply> {
    return await this.allocator.term().putServer(request);
  }

  @MessagePattern(RPC.removeServer)
  async removeServer(@Payload() request: RemoveServerRequest): Promise<RemoveServerReply> {
    return await this.allocator.term().removeServer(request);
  }

  @MessagePattern(RPC.listServers)
  servers(): readonly ServerView[] {
    return this.allocator.term().views();
  }
}
