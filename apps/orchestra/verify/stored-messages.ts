import { DeliverPolicy, jetstream, jetstreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';

/** A message as the broker has it. */
export type StoredMessage = {
  readonly seq: number;
  readonly subject: string;
  readonly header: (name: string) => string;
  readonly payload: string;
};

export const lastSeqOf = async (connection: NatsConnection, stream: string): Promise<number> => {
  const manager = await jetstreamManager(connection, { checkAPI: false });
  return (await manager.streams.info(stream)).state.last_seq;
};

/** All messages up to a sequence, in order, by the client alone: what is missing is missing here too. */
export async function* storedMessages(
  connection: NatsConnection,
  stream: string,
  untilSeq: number,
): AsyncGenerator<StoredMessage, void, void> {
  const consumer = await jetstream(connection).consumers.get(stream, { deliver_policy: DeliverPolicy.All });
  if ((await consumer.info(true)).num_pending === 0) return;
  const messages = await consumer.consume();
  try {
    for await (const message of messages) {
      const { seq, subject, headers } = message;
      if (seq > untilSeq) return;
      yield { seq, subject, header: (name) => headers?.get(name) ?? '', payload: message.string() };
      if (seq === untilSeq || message.info.pending === 0) return;
    }
  } finally {
    messages.stop();
  }
}
