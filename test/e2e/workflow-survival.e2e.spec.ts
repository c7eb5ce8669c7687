import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { SERVICES } from '#libs/contracts/subjects.js';
import { startOllamaSimulator } from '#libs/testing/ollama-simulator/ollama-simulator.js';
import { FailureRows, type LoggedEvent } from './failure-rows.js';
import { orchestra } from './run-orchestra.js';
import { RunningPlatform } from './running-platform.js';
import { expectedTexts, ITEMS, stepsDone, SurvivingWorkflow, TEMPLATES } from './surviving-workflow.js';

/**
 * Goal: a workflow of three templates, with a list of 1,000 items, an approval and a timer, ends right whatever is killed while it runs.
 * Method: each service is killed in each part of the workflow, then the broker; each death has its moment by what the workflow does then.
 */
type Part = 'items' | 'approval' | 'timer';
type Death = { readonly of: string; readonly during: Part; readonly ms: number };

const SLOTS = 8;
/** That are done before the first death, and from one to the next. */
const FIRST_ITEMS = ITEMS / 10;
const ITEMS_BETWEEN = 40;

let simulator: Awaited<ReturnType<typeof startOllamaSimulator>>;
let platform: RunningPlatform;
let rows: FailureRows;
let templates: string;

beforeAll(async () => {
  templates = await mkdtemp(join(tmpdir(), 'orchestra-templates-'));
  for (const [name, text] of Object.entries(TEMPLATES))
    await writeFile(join(templates, `${name}.yaml`), text);
  simulator = await startOllamaSimulator({ timeScale: 1, parallel: SLOTS });
  const servers = `servers:\n  - { id: sim, url: '${simulator.url}', vram: 24GiB, slots: ${SLOTS}, device: gpu }\n`;
  platform = await RunningPlatform.start({ servers, env: { ORCHESTRA_TEMPLATES_DIR: templates } });
  rows = await FailureRows.beside(platform);
}, 180_000);

afterAll(async () => {
  await rows?.close();
  await platform?.stop();
  await simulator?.stop();
  await rm(templates, { recursive: true, force: true });
}, 60_000);

const eventsOf = (workflow: SurvivingWorkflow, name: 'ask' | 'review' | 'later'): readonly LoggedEvent[] =>
  rows.events.filter(({ taskId }) => taskId === workflow.idOf(name));

const timeOf = (events: readonly LoggedEvent[], type: string): number =>
  events.find((event) => event.type === type)?.ms ?? Number.NaN;

/** What the log says was under way when something died: items done so far, or whether that was waited for. */
const expectDeathsInTime = (workflow: SurvivingWorkflow, deaths: readonly Death[]): void => {
  for (const { of, during, ms } of deaths) {
    if (during === 'items') {
      const done = stepsDone(eventsOf(workflow, 'ask').filter((event) => event.ms < ms)).length;
      expect([of, during, done >= ITEMS / 10, done <= ITEMS - ITEMS / 10]).toEqual([of, during, true, true]);
      continue;
    }
    const events = eventsOf(workflow, during === 'approval' ? 'review' : 'later');
    const over = during === 'approval' ? 'step.answered' : 'step.waited';
    const isUnderWay = timeOf(events, 'step.waiting') < ms && ms < timeOf(events, over);
    expect([of, during, isUnderWay]).toEqual([of, during, true]);
  }
};

const expectEachItemOnce = async (workflow: SurvivingWorkflow): Promise<void> => {
  const items = await workflow.items();
  expect(items.map(({ output }) => (output as { text: string }).text)).toEqual(expectedTexts);
  expect(items.map(({ index, status }) => [index, status])).toEqual(
    expectedTexts.map((_, n) => [n, 'completed']),
  );
  const events = eventsOf(workflow, 'ask');
  const done = stepsDone(events);
  expect(done).toHaveLength(ITEMS);
  expect(new Set(done)).toEqual(new Set(expectedTexts.map((_, n) => `ask[${n}]`)));
  // An attempt ends one way: what was lost was tried again, and nothing was tried again that was not lost.
  const attempts = events.filter(({ type }) => type === 'step.dispatched').map(({ data }) => data);
  const lost = events
    .filter(({ type }) => type === 'step.failed')
    .map(({ data }) => data['step'] as LostAttempt);
  expect(attempts).toHaveLength(ITEMS + lost.length);
  for (const { stepId, attempt } of lost)
    expect(attempts).toContainEqual(expect.objectContaining({ stepId, attempt: attempt + 1 }));
};

type LostAttempt = {
  readonly stepId: string;
  readonly attempt: number;
  readonly failure: { readonly code: string };
};

const expectOneAnswer = async (workflow: SurvivingWorkflow): Promise<string> => {
  const { result, steps } = await workflow.task('review');
  const { answered_by: by = null, message = null } = steps[0]?.waiting ?? {};
  expect(message).toBe(`May these ${ITEMS} answers go on?`);
  expect(result).toEqual({ decision: 'approved', by, comment: `from ${by}`, of: expectedTexts.at(-1) });
  const answers = eventsOf(workflow, 'review').filter(({ type }) => type === 'step.answered');
  expect(answers.map(({ data }) => data['answer'])).toEqual([
    expect.objectContaining({ by, comment: `from ${by}`, choice: 'approve' }),
  ]);
  return by ?? '';
};

const expectTimerKept = async (workflow: SurvivingWorkflow, by: string): Promise<void> => {
  const { result, steps } = await workflow.task('later');
  expect(result).toBe(`${ITEMS} answers, said ${by}`);
  const events = eventsOf(workflow, 'later');
  const waits = events.filter(({ type }) => type === 'step.waiting');
  expect(waits).toHaveLength(1);
  const untilMs = Date.parse(steps[0]?.waiting?.until ?? '');
  expect(untilMs).toBe(Date.parse(waits[0]?.data['at'] as string) + 6_000);
  expect(timeOf(events, 'step.waited')).toBeGreaterThanOrEqual(untilMs);
  expect(timeOf(events, 'step.dispatched')).toBeGreaterThanOrEqual(untilMs);
};

const expectEndedRight = async (workflow: SurvivingWorkflow): Promise<void> => {
  const { status, tasks, task_counts } = await workflow.ended();
  expect([status, tasks.map((task) => [task.name, task.status])]).toEqual([
    'completed',
    [
      ['ask', 'completed'],
      ['review', 'completed'],
      ['later', 'completed'],
    ],
  ]);
  expect(task_counts.completed).toBe(3);
  await rows.seen(
    'the end of the workflow',
    0,
    ({ taskId, type }) => taskId === workflow.idOf('later') && type === 'task.completed',
  );
  expect((await workflow.task('ask')).result).toEqual({ count: ITEMS, texts: expectedTexts });
  await expectEachItemOnce(workflow);
  await expectTimerKept(workflow, await expectOneAnswer(workflow));
};

/** No lease is left, the log keeps every promise, and the read model is what the log gives when it is read from the start. */
const expectNothingLeft = async (workflow: SurvivingWorkflow): Promise<void> => {
  await rows.noLeaseLeft();
  expect(await rows.audit()).toEqual({ code: 0, findings: [], open: 0 });
  const before = await workflow.shown();
  const { code, stdout } = await orchestra(['--json', 'rebuild', '--data', platform.dataDir]).ended;
  expect([code, JSON.parse(stdout)]).toMatchObject([0, { state: 'finished' }]);
  expect(await workflow.shown()).toEqual(before);
};

describe('a workflow while every service dies', () => {
  let workflow: SurvivingWorkflow;
  const deaths: Death[] = [];

  it('ends right', async () => {
    workflow = await SurvivingWorkflow.submit(platform, 'services');
    for (const of of SERVICES) {
      await workflow.itemsGoOn(deaths.length === 0 ? FIRST_ITEMS : ITEMS_BETWEEN);
      deaths.push({ of, during: 'items', ms: await platform.killAndWait(of) });
    }
    await workflow.waits('review');
    for (const of of SERVICES) deaths.push({ of, during: 'approval', ms: await platform.killAndWait(of) });
    // Two people at once, of whom one is too late, to a scheduler that dies.
    const [, ...statuses] = await Promise.all([
      platform.killAndWait('scheduler'),
      ...['ada', 'grace'].map(async (by) => await workflow.answer(by, `from ${by}`)),
    ]);
    expect(statuses).toContain(409);
    await workflow.waits('later');
    const ms = await platform.killAll();
    deaths.push(...SERVICES.map((of) => ({ of, during: 'timer' as const, ms })));
    await expectEndedRight(workflow);
    expectDeathsInTime(workflow, deaths);
    const lost = eventsOf(workflow, 'ask').filter(({ type }) => type === 'step.failed');
    expect(lost.length).toBeGreaterThan(0);
  }, 400_000);

  it('leaves nothing behind, and a read model that the log gives again', async () => {
    await expectNothingLeft(workflow);
  }, 120_000);
});

describe('a workflow while the broker dies in each of its parts', () => {
  let workflow: SurvivingWorkflow;
  const deaths: Death[] = [];

  const killBroker = async (during: Part): Promise<void> => {
    deaths.push({ of: 'broker', during, ms: await platform.killBroker() });
  };

  it('ends right', async () => {
    workflow = await SurvivingWorkflow.submit(platform, 'broker');
    await workflow.itemsGoOn(ITEMS / 2);
    await killBroker('items');
    await workflow.waits('review');
    await killBroker('approval');
    await workflow.answer('ada', 'from ada');
    await workflow.waits('later');
    await killBroker('timer');
    await expectEndedRight(workflow);
    expectDeathsInTime(workflow, deaths);
  }, 400_000);

  it('leaves nothing behind, and a read model that the log gives again', async () => {
    await expectNothingLeft(workflow);
  }, 120_000);
});
