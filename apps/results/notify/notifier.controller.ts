import { Controller, Inject } from '@nestjs/common';
import { MessagePattern, Payload } from '@nestjs/microservices';
import type {
  ChannelsReply,
  DeliveriesReply,
  DeliveriesRequest,
  DeliveryReply,
  DeliveryRequest,
  NotifyReply,
  NotifyRequest,
  TestChannelRequest,
} from '#libs/contracts/notify-rpc.js';
import { RPC } from '#libs/contracts/subjects.js';
import { Notifier } from './notifier.js';

/** What others may ask the notifier that leads. */
@Controller()
export class NotifierController {
  constructor(@Inject(Notifier) private readonly notifier: Notifier) {}

  @MessagePattern(RPC.notify)
  notify(@Payload() request: NotifyRequest): Promise<NotifyReply> {
    return this.notifier.notify(request);
  }

  @MessagePattern(RPC.deliveries)
  deliveries(@Payload() request: DeliveriesRequest): DeliveriesReply {
    return this.notifier.deliveries(request);
  }

  @MessagePattern(RPC.delivery)
  delivery(@Payload() { id }: DeliveryRequest): Promise<DeliveryReply> {
    return this.notifier.delivery(id);
  }

  @MessagePattern(RPC.resendDelivery)
  resend(@Payload() { id }: DeliveryRequest): Promise<DeliveryReply> {
    return this.notifier.resend(id);
  }

  @MessagePattern(RPC.testChannel)
  test(@Payload() { channel }: TestChannelRequest): Promise<DeliveryReply> {
    return this.notifier.test(channel);
  }

  @MessagePattern(RPC.channels)
  channels(): ChannelsReply {
    return this.notifier.channels();
  }
}
