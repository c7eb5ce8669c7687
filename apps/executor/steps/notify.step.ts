import type { DeliverySummary, NotifyReply, NotifyRequest } from '#libs/contracts/notify-rpc.js';
import { pause } from '#libs/event-log/pause.js';
import { RpcUnavailableError } from '#libs/runtime/rpc-client.js';
import { StepError } from '../step-error.js';
import type { StepRunner } from '../step-runner.js';

/** Hands a message over, or asks what has become of the one that this step has handed over already. */
export type Notify = (request: NotifyRequest) => Promise<NotifyReply>;

type NotifyInput = {
  readonly channel: string;
  readonly title?: string;
  readonly text?: string;
  readonly link?: string;
  readonly wait?: boolean;
};

/** How long one request may be waited for until the message has arrived; then it is asked again. */
const WAIT_MS = 2_000;

/** Pause after nobody answered: the notifier is being started again, or another one takes over. */
const AGAIN_AFTER_MS = 500;

/**
 * Sends one message to a channel. It is over when the message is in the delivery log, from where it is delivered whatever becomes of this task;
 * with `wait` when it has arrived. However often the step is tried, it is one message.
 */
export const notifyStep =
  (notify: Notify): StepRunner =>
  async ({ input, taskId, stepId, progress, signal }) => {
    const { channel, title = '', text = '', link, wait = false } = input as NotifyInput;
    const request = { taskId, stepId, channel, title, text, ...(link === undefined ? {} : { link }) };
    let waitMs = 0;
    for (;;) {
      const delivery = await handedOver({ ...request, waitMs }, { notify, progress, signal });
      if (!wait || delivery.status === 'delivered') return { output: outputOf(delivery) };
      if (delivery.status === 'failed') throw notDelivered(delivery);
      progress(`waits for delivery to ${channel}; ${delivery.attempts} tries so far`);
      waitMs = WAIT_MS;
    }
  };

type Around = {
  readonly notify: Notify;
  readonly progress: (message: string) => void;
  readonly signal: AbortSignal;
};

/** Asks until somebody answers: a message must not be lost because a service was just being started. */
const handedOver = async (
  request: NotifyRequest,
  { notify, progress, signal }: Around,
): Promise<DeliverySummary> => {
  for (;;) {
    if (signal.aborted) throw new StepError('RUN_ABORTED', 'aborted before the message was handed over');
    try {
      const reply = await notify(request);
      if (reply.ok) return reply.delivery;
      throw new StepError(reply.failure.code, reply.failure.message, reply.failure.details);
    } catch (error) {
      if (!(error instanceof RpcUnavailableError)) throw error;
      progress('nobody takes notifications just now; asking again');
      await pause(AGAIN_AFTER_MS, signal);
    }
  }
};

const outputOf = ({ id, status, channel, attempts }: DeliverySummary): object => ({
  id,
  channel,
  status,
  attempts,
});

const notDelivered = ({ id, channel, attempts, lastTry }: DeliverySummary): StepError =>
  new StepError(
    'NOTIFICATION_NOT_DELIVERED',
    `The message to '${channel}' was given up after ${attempts} tries: ${lastTry?.error ?? 'no reason known'}.`,
    { delivery_id: id, channel, attempts },
  );
