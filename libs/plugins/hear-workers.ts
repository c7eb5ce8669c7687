import type { NatsConnection } from '@nats-io/transport-node';
import {
  HELLO_EVERY_MS,
  PLUGIN_LIMITS,
  PLUGIN_SUBJECTS,
  type HelloReply,
} from '#libs/contracts/plugin-wire.js';
import { WorkerDirectory } from './worker-directory.js';

/** `answered`: this service is one of those that answer hellos. `changed` is called after each that was heard. */
type Hearing = { readonly answered?: boolean; readonly changed?: () => void };

/** Follows the hellos of all workers of step types. They come to everybody who listens; executors answer them. */
export const hearWorkers = (
  connection: NatsConnection,
  nowMs: () => number,
  { answered = false, changed }: Hearing = {},
): WorkerDirectory => {
  const directory = new WorkerDirectory(nowMs);
  connection.subscribe(PLUGIN_SUBJECTS.allHellos, {
    callback: (error, message) => {
      if (error) return;
      const problem = heard(directory, message.subject, message.data);
      if (problem === null) changed?.();
      if (!answered || !message.reply) return;
      const reply: HelloReply =
        problem === null ? { ok: true, hello_every_ms: HELLO_EVERY_MS } : { ok: false, error: problem };
      message.respond(JSON.stringify(reply));
    },
  });
  return directory;
};

/** `plugin.hello.acme.word_count` → `acme.word_count`. */
export const typeOfSubject = (subject: string): string => subject.split('.').slice(2, 4).join('.');

const heard = (directory: WorkerDirectory, subject: string, data: Uint8Array): string | null => {
  if (data.length > PLUGIN_LIMITS.helloBytes)
    return `the hello has ${data.length} bytes; accepted: up to ${PLUGIN_LIMITS.helloBytes}`;
  try {
    return directory.hear(typeOfSubject(subject), JSON.parse(new TextDecoder().decode(data)));
  } catch (error) {
    return `the hello is no JSON: ${String(error).slice(0, 200)}`;
  }
};
