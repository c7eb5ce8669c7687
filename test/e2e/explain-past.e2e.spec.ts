import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { until } from './api-client.js';
import { orchestra } from './run-orchestra.js';
import { RunningPlatform } from './running-platform.js';
import { SimulatedServer } from './simulated-server.js';

/**
 * Goal: why a task waited can be asked afterwards, and the answer is the one that was given then.
 * Method: one server that holds one model at a time; tasks wait for its slot, and for another model. What is told of them is kept, and
 * asked for again on the command line when all is over.
 */
const GIB = 1024 ** 3;
const [SMALL, OTHER] = ['llama3.2:1b', 'llama3.2:3b'];

type Explanation = {
  readonly as_of: string;
  readonly steps: readonly { readonly text: string; readonly waits_for: Wait | null }[];
};
type Wait = {
  readonly kind: string;
  readonly position?: { readonly ahead: number };
  readonly places?: readonly { readonly holders: readonly { readonly task_id: string }[] }[];
  readonly servers?: readonly { readonly verdict: { readonly obstacle?: { readonly kind: string } } }[];
};

let server: SimulatedServer;
let platform: RunningPlatform;

beforeAll(async () => {
  server = await SimulatedServer.start({ id: 'attic', vramBytes: 3 * GIB, timeScale: 4 });
  platform = await RunningPlatform.start({ servers: `servers:\n${server.entry}` });
}, 180_000);

afterAll(async () => {
  await platform?.stop();
  await server?.kill();
}, 60_000);

const submit = async (key: string, model: string, tokens: number): Promise<string> => {
  const parameters = { model, prompt: key, options: { num_predict: tokens } };
  return await platform.api.submit({ template: 'ollama-inference', parameters }, key);
};

/** Asks until the answer is the one that is waited for: a load is asked for, refused, and known only then. */
const explained = async (id: string, is: (wait: Wait) => boolean): Promise<Explanation> =>
  await until(async () => {
    const { body } = await platform.api.call<Explanation>('GET', `/api/v1/tasks/${id}/explain`);
    const wait = body.steps[0]?.waits_for;
    return wait && is(wait) ? body : undefined;
  }, `the explanation of ${id}`);

const explainedThen = async (id: string, at: string): Promise<Explanation> => {
  const args = ['--json', '--url', platform.api.url, 'explain', id, '--at', at];
  const { code, stdout, stderr } = await orchestra(args).ended;
  expect([code, stderr]).toEqual([0, '']);
  return JSON.parse(stdout) as Explanation;
};

/** Up to what is said of the start, which is a prediction and counts what runs by the moment. */
const reasonIn = ({ steps }: Explanation) => ({
  wait: steps[0]?.waits_for,
  text: steps[0]?.text.split('; it starts')[0],
});

describe('why a task waited', () => {
  it('is told after all is over as it was told then', async () => {
    const holder = await submit('holder', SMALL, 400);
    await until(
      async () => ((await server.state()).activeGenerations > 0 ? true : undefined),
      'the generation to begin',
    );
    const next = await submit('next', SMALL, 5);
    const behind = await submit('behind', SMALL, 5);
    const other = await submit('other', OTHER, 5);
    const now = await explained(behind, ({ kind, position }) => kind === 'slot' && position?.ahead === 1);
    const nowOther = await explained(
      other,
      ({ servers = [] }) => servers[0]?.verdict.obstacle?.kind === 'in-use',
    );
    expect(now.steps[0]?.waits_for?.places?.[0]?.holders[0]?.task_id).toBe(holder);
    expect(now.steps[0]?.text).toMatch(/it starts probably at .*, and by .* at the latest/);
    expect(nowOther.steps[0]?.text).toContain(`attic keeps ${SMALL}`);
    for (const id of [holder, next, behind, other])
      expect((await platform.api.ended(id)).status).toBe('completed');
    expect(reasonIn(await explainedThen(behind, now.as_of))).toEqual(reasonIn(now));
    expect(reasonIn(await explainedThen(other, nowOther.as_of))).toEqual(reasonIn(nowOther));
  }, 120_000);
});
