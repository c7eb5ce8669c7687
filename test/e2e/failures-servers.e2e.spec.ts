import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { until } from './api-client.js';
import { FailureRows, type LoggedEvent } from './failure-rows.js';
import { RunningPlatform } from './running-platform.js';
import { SimulatedServer } from './simulated-server.js';

/**
 * Goal: whatever becomes of an inference server, the tasks on it end elsewhere, once, and nothing stays leased.
 * Method: two servers of their own processes, one of which is killed, halted or made to refuse; the log tells when it was noticed.
 */
const GIB = 1024 ** 3;
const MODEL = 'llama3.2:1b';
const OVER = new Set(['task.completed', 'task.failed', 'task.cancelled']);

let servers: ReadonlyMap<string, SimulatedServer>;
let platform: RunningPlatform;
let rows: FailureRows;

beforeAll(async () => {
  const started = await Promise.all(
    ['attic', 'cellar'].map(
      async (id) => [id, await SimulatedServer.start({ id, vramBytes: 24 * GIB, timeScale: 4 })] as const,
    ),
  );
  servers = new Map(started);
  const list = `servers:\n${started.map(([, { entry }]) => entry).join('')}`;
  platform = await RunningPlatform.start({
    servers: list,
    env: {
      ORCHESTRA_PROBE_EVERY_MS: '500',
      ORCHESTRA_PROBE_TIMEOUT_MS: '1000',
      ORCHESTRA_LOAD_RETRY_MS: '500',
    },
  });
  rows = await FailureRows.beside(platform);
}, 180_000);

afterAll(async () => {
  await rows?.close();
  for (const server of servers?.values() ?? []) server.thaw();
  await platform?.stop();
  for (const server of servers?.values() ?? []) await server.kill();
}, 60_000);

afterEach(async () => {
  await rows.noLeaseLeft();
}, 60_000);

const serverOf = ({ data }: LoggedEvent): SimulatedServer => {
  const { lease, serverId } = data as { lease?: { serverId: string }; serverId?: string };
  const found = servers.get(lease?.serverId ?? serverId ?? '');
  if (!found) throw new Error(`no server in ${JSON.stringify(data)}`);
  return found;
};

const idOf = (server: SimulatedServer): string =>
  [...servers].find(([, other]) => other === server)?.[0] ?? '';

const submit = async (template: string, key: string, parameters: object): Promise<string> =>
  await platform.api.submit({ template, parameters: { model: MODEL, ...parameters } }, key);

const stateOf =
  (server: SimulatedServer, state: string) =>
  ({ type, data }: LoggedEvent): boolean =>
    type === 'server.state-changed' && data['serverId'] === idOf(server) && data['state'] === state;

const dispatchedOf =
  (taskId: string, stepId: string, attempt: number) =>
  (event: LoggedEvent): boolean =>
    event.type === 'step.dispatched' &&
    event.taskId === taskId &&
    event.data['stepId'] === stepId &&
    event.data['attempt'] === attempt;

const endOf = async (taskId: string): Promise<LoggedEvent> =>
  await rows.seen('the end of the task', 0, (event) => event.taskId === taskId && OVER.has(event.type));

const isGenerating = async (server: SimulatedServer): Promise<void> => {
  await until(
    async () => ((await server.state()).activeGenerations > 0 ? true : undefined),
    'the generation to begin',
  );
};

describe('an inference server', () => {
  it('dies during a load: the model is loaded on the other one', async () => {
    const task = await submit('ollama-inference', 'in-load', { prompt: 'Hi', options: { num_predict: 5 } });
    const begun = await rows.seen('the load', 0, ({ type }) => type === 'residency.load-started');
    const victim = serverOf(begun);
    const atMs = await victim.kill();
    const seen = await rows.seen('the death', atMs, stateOf(victim, 'down'));
    const end = await endOf(task);
    expect(end.type).toBe('task.completed');
    const [dispatched] = rows.of(task, 'step.dispatched');
    expect(dispatched && serverOf(dispatched)).not.toBe(victim);
    rows.add('a server dies during a load', atMs, seen, end);
    await victim.restart();
    await rows.seen('its return', seen.ms, stateOf(victim, 'up'));
  }, 120_000);

  it('dies in the second step of a task: that step alone is done again, elsewhere', async () => {
    const options = { num_predict: 4_000 };
    const task = await submit('two-step-summary', 'in-run', { text: 'A long text.', options });
    const second = await rows.seen('the second step', 0, dispatchedOf(task, 'summary', 1));
    const victim = serverOf(second);
    await isGenerating(victim);
    const atMs = await victim.kill();
    const seen = await rows.seen('the death', atMs, stateOf(victim, 'down'));
    const again = await rows.seen('another attempt', atMs, dispatchedOf(task, 'summary', 2));
    expect(serverOf(again)).not.toBe(victim);
    const end = await endOf(task);
    expect(end.type).toBe('task.completed');
    expect(rows.of(task, 'step.completed').map(({ data }) => data['step'])).toMatchObject([
      { stepId: 'points', attempt: 1 },
    ]);
    expect(rows.of(task, 'step.dispatched')).toHaveLength(3);
    rows.add('a server dies during a generation', atMs, seen, end);
    await victim.restart();
    await rows.seen('its return', seen.ms, stateOf(victim, 'up'));
  }, 120_000);

  it('hangs: its leases end without waiting for the executor, and it is emptied when it comes back', async () => {
    const task = await submit('ollama-inference', 'hang', { prompt: 'Hi', options: { num_predict: 4_000 } });
    const first = await rows.seen('the attempt', 0, dispatchedOf(task, 'generate', 1));
    const victim = serverOf(first);
    await isGenerating(victim);
    const atMs = victim.freeze();
    const seen = await rows.seen('the silence', atMs, stateOf(victim, 'down'));
    const expired = await rows.seen(
      'the end of its lease',
      atMs,
      ({ type, data }) => type === 'lease.expired' && data['serverId'] === idOf(victim),
    );
    expect(expired.data).toMatchObject({ ttlMs: 0, reason: 'the server is down' });
    const again = await rows.seen('another attempt', atMs, dispatchedOf(task, 'generate', 2));
    expect(serverOf(again)).not.toBe(victim);
    const end = await endOf(task);
    expect(end.type).toBe('task.completed');
    rows.add('a server hangs during a generation', atMs, seen, end);
    victim.thaw();
    const up = await rows.seen('its return', seen.ms, stateOf(victim, 'up'));
    expect(up.data).toMatchObject({ foreign: [] });
    expect((await victim.state()).loaded).toEqual([]);
  }, 120_000);

  it('answers 503: it takes nothing until its models were unloaded, and the task goes on elsewhere', async () => {
    const find = await submit('ollama-inference', 'find', { prompt: 'Where?', options: { num_predict: 1 } });
    await endOf(find);
    const [placed] = rows.of(find, 'step.dispatched');
    if (!placed) throw new Error('it was not dispatched');
    const victim = serverOf(placed);
    await victim.arm({ kind: 'busy', times: 1_000 });
    const atMs = Date.now();
    const task = await submit('ollama-inference', 'busy', { prompt: 'Hi', options: { num_predict: 5 } });
    const seen = await rows.seen('the suspicion', atMs, stateOf(victim, 'suspect'));
    const end = await endOf(task);
    expect(end.type).toBe('task.completed');
    expect(serverOf(rows.of(task, 'step.dispatched').at(-1) as LoggedEvent)).not.toBe(victim);
    rows.add('a server answers 503', atMs, seen, end);
    await victim.disarm();
    await rows.seen('its return', seen.ms, stateOf(victim, 'up'));
  }, 120_000);

  it('has left a log that keeps every promise', async () => {
    expect(await rows.audit()).toEqual({ code: 0, findings: [], open: 0 });
  }, 60_000);
});
