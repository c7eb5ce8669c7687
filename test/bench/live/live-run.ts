import { connect } from '@nats-io/transport-node';
import { setTimeout as delay } from 'node:timers/promises';
import { OUTSIDE_PREFIX } from '#libs/broker/permissions.js';
import { SUBJECTS } from '#libs/contracts/subjects.js';
import type { StepDispatched, TaskCompleted } from '#libs/domain/task/events.js';
import type { RunRecord, TaskRun } from '#libs/simulation/run-record.js';
import type { SimTask, Trace } from '#libs/simulation/trace.js';
import type { BenchPlatform } from '../bench-platform.js';
import { PROMPT_TOKENS } from './live-trace.js';

/** Beyond the arrivals, what is left is done long before. */
const SETTLE_MAX_MS = 600_000;
/** What the simulated server adds to a prompt of four letters a token. */
const TEMPLATE_TOKENS = 9;

/** Submits the tasks of a trace over REST when their time has come, and notes what the events say of each. */
export const runLive = async (
  platform: BenchPlatform,
  trace: Trace,
  onProgress: (ended: number) => void,
): Promise<Pick<RunRecord, 'tasks'>> => {
  const events = await Events.open(platform);
  const ids = new Map<string, string>();
  const beginMs = Date.now();
  const numCtx = new Map(trace.models.map((model) => [model.model, model.numCtx]));
  for (const task of trace.tasks) {
    await delay(Math.max(0, beginMs + task.atMs - Date.now()));
    ids.set(task.id, await submit(platform.apiUrl, task, ids, beginMs, numCtx.get(task.model) ?? 0));
    onProgress(events.ended.size);
  }
  const lateMs = beginMs + SETTLE_MAX_MS;
  while (events.ended.size < trace.tasks.length) {
    if (Date.now() > lateMs)
      throw new Error(`${events.ended.size} of ${trace.tasks.length} tasks have ended`);
    await events.next();
    onProgress(events.ended.size);
  }
  await events.close();
  return { tasks: trace.tasks.map((task) => runOf(task, ids, events, beginMs)) };
};

const submit = async (
  apiUrl: string,
  task: SimTask,
  ids: ReadonlyMap<string, string>,
  beginMs: number,
  numCtx: number,
): Promise<string> => {
  const response = await fetch(`${apiUrl}/api/v1/tasks`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      template: 'ollama-inference',
      parameters: {
        model: task.model,
        prompt: 'word'.repeat(PROMPT_TOKENS - TEMPLATE_TOKENS),
        options: { num_predict: task.outputTokens, num_ctx: numCtx, temperature: 0 },
      },
      priority: task.priority,
      workspace: task.workspace,
      depends_on: task.after.map((id) => ids.get(id)),
      ...(task.deadlineMs === null ? {} : { deadline_at: new Date(beginMs + task.deadlineMs).toISOString() }),
    }),
  });
  const body = (await response.json()) as { readonly id?: string };
  if (body.id === undefined) throw new Error(`task '${task.id}': ${JSON.stringify(body)}`);
  return body.id;
};

/** What is republished of the log, as any subscriber from outside hears it. */
class Events {
  readonly started = new Map<string, { readonly atMs: number; readonly serverId: string }>();
  readonly ended = new Map<string, number>();
  #onEnd: () => void = () => {};

  private constructor(readonly close: () => Promise<void>) {}

  static async open(platform: BenchPlatform): Promise<Events> {
    const connection = await connect({ servers: platform.natsUrl, ...platform.observer });
    const events = new Events(() => connection.close());
    connection.subscribe(`${OUTSIDE_PREFIX}.${SUBJECTS.task('*', 'dispatched')}`, {
      callback: (error, message) => {
        if (error) throw error;
        const { taskId, at, lease } = message.json<StepDispatched>();
        events.started.set(taskId, { atMs: Date.parse(at), serverId: lease.serverId });
      },
    });
    connection.subscribe(`${OUTSIDE_PREFIX}.${SUBJECTS.task('*', 'completed')}`, {
      callback: (error, message) => {
        if (error) throw error;
        const { taskId, at } = message.json<TaskCompleted>();
        events.ended.set(taskId, Date.parse(at));
        events.#onEnd();
      },
    });
    await connection.flush();
    return events;
  }

  next(): Promise<void> {
    return new Promise((resolve) => {
      this.#onEnd = resolve;
    });
  }
}

const runOf = (task: SimTask, ids: ReadonlyMap<string, string>, events: Events, beginMs: number): TaskRun => {
  const id = ids.get(task.id) ?? '';
  const started = events.started.get(id);
  const endedMs = events.ended.get(id);
  if (started === undefined || endedMs === undefined)
    throw new Error(`task '${task.id}' was not seen to run`);
  const needs = task.after.map((other) => events.ended.get(ids.get(other) ?? '') ?? 0);
  return {
    id: task.id,
    serverId: started.serverId,
    readyAtMs: Math.max(beginMs + task.atMs, ...needs) - beginMs,
    startedAtMs: started.atMs - beginMs,
    endedAtMs: endedMs - beginMs,
    startBoundMs: null,
    predictedMs: null,
  };
};
