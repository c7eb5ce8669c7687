import type { NatsConnection } from '@nats-io/transport-node';
import {
  HELLO_EVERY_MS,
  PLUGIN_LIMITS,
  PLUGIN_SUBJECTS,
  type HelloReply,
  type UnusablePlugins,
} from '#libs/contracts/plugin-wire.js';
import type { PluginProblem } from './plugin-problems.js';
import { WorkerDirectory } from './worker-directory.js';

type Hearing = {
  /** This service is one of those that answer hellos. */
  readonly answered?: boolean;
  /** This service wants to know what executors could not load. */
  readonly unusable?: boolean;
  /** Called after each hello that counts. */
  readonly changed?: () => void;
  /** Called when a worker is refused, and not again while it is refused for the same. */
  readonly refused?: (refusal: PluginProblem) => void;
};

/** Within this, all that there are have said hello to a service that begins to listen. */
const ALL_HEARD_MS = HELLO_EVERY_MS + 500;

/** Follows the hellos of all workers of step types. They come to everybody who listens; executors answer them. */
export const hearWorkers = (
  connection: NatsConnection,
  nowMs: () => number,
  hearing: Hearing = {},
): WorkerDirectory => {
  const { answered = false, changed, refused } = hearing;
  const directory = new WorkerDirectory(nowMs);
  connection.subscribe(PLUGIN_SUBJECTS.allHellos, {
    callback: (error, message) => {
      if (error) return;
      const type = typeOfSubject(message.subject);
      const { worker, problem } = heard(directory, type, message.data);
      if (problem === null) changed?.();
      const by = `worker '${worker}' of ${type}`;
      const problems = problem === null ? [] : [`its hello is refused: ${problem}`];
      for (const fresh of directory.problems.say(by, problems)) refused?.({ by, problem: fresh });
      if (answered && message.reply)
        message.respond(JSON.stringify(replyOf(directory, type, worker, problem)));
    },
  });
  if (hearing.unusable === true) hearUnusable(connection, directory);
  return directory;
};

/** Resolves when all workers that there are have been heard by a service that listens since now. */
export const allHeard = async (): Promise<void> => {
  await new Promise((resolve) => setTimeout(resolve, ALL_HEARD_MS).unref());
};

/** `plugin.hello.acme.word_count` → `acme.word_count`. */
export const typeOfSubject = (subject: string): string => subject.split('.').slice(2, 4).join('.');

const replyOf = (
  directory: WorkerDirectory,
  type: string,
  worker: string,
  problem: string | null,
): HelloReply => {
  if (problem !== null) return { ok: false, error: problem };
  const warnings = directory.find(type, worker)?.checked.warnings ?? [];
  return { ok: true, hello_every_ms: HELLO_EVERY_MS, ...(warnings.length === 0 ? {} : { warnings }) };
};

type HeardOne = { readonly worker: string; readonly problem: string | null };

const WORKER_SHOWN_CHARS = 64;

const heard = (directory: WorkerDirectory, type: string, data: Uint8Array): HeardOne => {
  if (data.length > PLUGIN_LIMITS.helloBytes)
    return {
      worker: '?',
      problem: `the hello has ${data.length} bytes; accepted: up to ${PLUGIN_LIMITS.helloBytes}`,
    };
  try {
    const hello = JSON.parse(new TextDecoder().decode(data)) as { readonly worker?: unknown } | null;
    const worker = typeof hello?.worker === 'string' ? hello.worker.slice(0, WORKER_SHOWN_CHARS) : '?';
    return { worker, problem: directory.hear(type, hello) };
  } catch (error) {
    return { worker: '?', problem: `the hello is no JSON: ${String(error).slice(0, 200)}` };
  }
};

/** What comes here was said by an executor: no other user of the broker may. */
const hearUnusable = (connection: NatsConnection, directory: WorkerDirectory): void =>
  void connection.subscribe(PLUGIN_SUBJECTS.unusable, {
    callback: (error, message) => {
      if (error) return;
      const { executor, problems } = message.json<UnusablePlugins>();
      directory.problems.say(executor, problems);
    },
  });
