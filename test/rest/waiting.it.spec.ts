import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { TestPlatform } from './platform.js';
import { RestClient } from './rest-client.js';

/** Goal: steps that wait do over the real services what the README says of them. */
const TEMPLATES = {
  pause: `
name: pause
parameters: { for: { type: string, required: true } }
steps:
  - { id: cool, type: delay, with: { for: '{{ parameters.for }}' } }
  - { id: tell, type: noop, with: { echo: 'after {{ steps.cool.output.until }}' } }
`,
  review: `
name: review
parameters: { text: { type: string, default: a draft }, timeout: { type: string }, on_timeout: { type: string }, who: { type: string, default: ada } }
steps:
  - id: ask
    type: approval
    with:
      message: 'Send <b>{{ parameters.text }}</b>?'
      text: '{{ parameters.text }}'
      edit: true
      choices: [later]
      assignees: ['{{ parameters.who }}']
      timeout: '{{ parameters.timeout }}'
      on_timeout: '{{ parameters.on_timeout }}'
  - { id: tell, type: noop, when: "{{ steps.ask.output.decision == 'approved' }}", with: { echo: '{{ steps.ask.output.by }}: {{ steps.ask.output.text }}' } }
output: '{{ steps.tell.output | default: steps.ask.output.choice }}'
`,
  form: `
name: form
steps:
  - id: fill
    type: human_input
    with:
      message: How many, and which?
      schema:
        type: object
        properties: { count: { type: integer, minimum: 1 }, colour: { type: string, enum: [red, blue] } }
        required: [count]
        additionalProperties: false
output: '{{ steps.fill.output.data }}'
`,
  chased: `
name: chased
steps:
  - id: ask
    type: approval
    with: { message: 'Well?', assignees: [ada], remind_every: 1s, escalate_after: 1500ms, escalate_to: [grace], timeout: 2500ms, on_timeout: approve }
`,
};

let platform: TestPlatform;
let client: RestClient;

beforeAll(async () => {
  platform = await TestPlatform.start();
  client = await RestClient.of(platform);
  for (const [name, text] of Object.entries(TEMPLATES)) {
    await writeFile(join(platform.folder, 'templates', `${name}.yaml`), text);
    while ((await client.call('GET', `/templates/${name}`)).status !== 200);
  }
}, 60_000);

afterAll(async () => {
  expect(platform?.failures).toEqual([]);
  await platform?.stop();
}, 60_000);

/** Once the task waits. */
const waiting = async (id: string) => {
  for (;;) {
    const task = await client.view(id);
    if (task.status === 'waiting') return task;
    expect(task.ended_at).toBeNull();
  }
};

describe('a delay', () => {
  it('holds its task for so long, without a lease, and says until when', async () => {
    const id = await client.submit({ template: 'pause', parameters: { for: '1.5s' } });
    const { steps, attempts } = await waiting(id);
    expect(steps[0]).toMatchObject({ status: 'waiting', waiting: { kind: 'delay', answered_by: null } });
    expect(attempts).toEqual([]);
    expect(await client.explained(id)).toMatchObject({
      summary: `Step 'cool' waits until ${steps[0]?.waiting?.until?.slice(0, 19)}Z, since ${steps[0]?.waiting?.since.slice(11, 19)} UTC.`,
    });
    const ended = await client.ended(id);
    expect(ended).toMatchObject({ status: 'completed', result: `after ${steps[0]?.waiting?.until}` });
    const { startedAt } = { startedAt: ended.attempts[0]?.dispatched_at ?? '' };
    expect(Date.parse(startedAt)).toBeGreaterThanOrEqual(Date.parse(steps[0]?.waiting?.until ?? ''));
  });

  it('ends with a cancel, and leaves nothing of it in the queue', async () => {
    const id = await client.submit({ template: 'pause', parameters: { for: '1h' } });
    await waiting(id);
    expect((await client.call('GET', '/queue')).json).toMatchObject({ ready_steps: 0 });
    await client.call('DELETE', `/tasks/${id}`);
    expect(await client.ended(id)).toMatchObject({
      status: 'cancelled',
      steps: [{ status: 'cancelled' }, {}],
    });
  });

  it('that cannot be is refused when the task is submitted or its turn comes', async () => {
    const never = await client.call('POST', '/tasks', { template: 'pause', parameters: { for: 'never' } });
    expect([never.status, never.text]).toEqual([422, expect.stringContaining('parameters.for')]);
    const id = await client.submit({ template: 'pause', parameters: { for: '1000d' } });
    expect(await client.ended(id)).toMatchObject({ status: 'failed', error: { code: 'STEP_INPUT_INVALID' } });
  });
});

const answer = async (id: string, stepId: string, body: object) =>
  await client.call('POST', `/tasks/${id}/steps/${stepId}/answer`, body);
const code = ({ json }: { readonly json: unknown }): unknown => (json as { code?: string }).code;

describe('an approval', () => {
  it('is listed for whom it asks, with all that is needed to answer it', async () => {
    const id = await client.submit({ template: 'review', parameters: { who: 'eve' } });
    await waiting(id);
    const inbox = await client.call('GET', '/inbox?assignee=eve&workspace=default');
    client.fits(inbox, 'InboxPage');
    expect(inbox.json).toMatchObject({
      items: [{ task_id: id, step_id: 'ask', choices: ['approve', 'reject', 'later'], assignees: ['eve'] }],
      next: null,
    });
    expect((await client.call('GET', '/inbox?assignee=mallory')).json).toEqual({ items: [], next: null });
    const question = await client.call('GET', `/tasks/${id}/steps/ask/question`);
    client.fits(question, 'Question');
    expect(question.json).toMatchObject({ message: 'Send <b>a draft</b>?', text: 'a draft', edit: true });
    expect(await client.explained(id)).toMatchObject({
      summary: expect.stringMatching(/^Step 'ask' waits for eve to approve, since \S+Z\.$/),
    });
    await client.call('DELETE', `/tasks/${id}`);
    await client.ended(id);
    expect((await client.call('GET', '/inbox?assignee=eve')).json).toEqual({ items: [], next: null });
    expect(code(await answer(id, 'ask', { by: 'eve', decision: 'approve' }))).toBe('TASK_ALREADY_OVER');
  });

  it('goes on with what was approved, and names who did', async () => {
    const id = await client.submit({ template: 'review' });
    await waiting(id);
    const answered = await answer(id, 'ask', {
      by: 'ada',
      decision: 'approve',
      text: 'the text',
      comment: 'ok',
    });
    expect(answered.status).toBe(200);
    client.fits(answered, 'Task');
    const ended = await client.ended(id);
    expect(ended).toMatchObject({ status: 'completed', result: 'ada: the text' });
    expect(ended.steps[0]).toMatchObject({
      output: { decision: 'approved', choice: 'approve', by: 'ada', comment: 'ok', timed_out: false },
      waiting: { answered_by: 'ada' },
    });
  });

  it('takes one of many answers that come at once; all others are told whose that was', async () => {
    const id = await client.submit({ template: 'review' });
    await waiting(id);
    const people = Array.from({ length: 12 }, (_, n) => `person-${n}`);
    const answers = await Promise.all(
      people.map((by, n) => answer(id, 'ask', { by, choice: n % 2 === 0 ? 'approve' : 'later' })),
    );
    const won = people.filter((_, n) => answers[n]?.status === 200);
    expect(won).toHaveLength(1);
    for (const lost of answers.filter(({ status }) => status !== 200)) {
      expect([lost.status, code(lost)]).toEqual([409, 'STEP_ALREADY_ANSWERED']);
      expect(lost.json).toMatchObject({ details: { answeredBy: won[0], answeredAt: expect.any(String) } });
    }
    const { steps } = await client.ended(id);
    expect(steps[0]?.output).toMatchObject({ by: won[0] });
    // Also when the task is over, whoever asks.
    expect(await answer(id, 'ask', { by: 'too late', decision: 'approve' })).toMatchObject({
      status: 409,
      json: { code: 'STEP_ALREADY_ANSWERED', details: { answeredBy: won[0] } },
    });
  });

  it('that is rejected fails the task with who and why', async () => {
    const id = await client.submit({ template: 'review' });
    await waiting(id);
    await answer(id, 'ask', { by: 'ada', decision: 'reject', comment: 'too long' });
    expect(await client.ended(id)).toMatchObject({
      status: 'failed',
      error: { code: 'STEP_REJECTED', message: "Step 'ask' was rejected by ada: too long" },
      steps: [{ status: 'failed' }, { status: 'cancelled' }],
    });
  });

  it('that nobody answers ends as its template says', async () => {
    const parameters = { timeout: '300ms', on_timeout: 'later' };
    const later = await client.submit({ template: 'review', parameters });
    expect(await client.ended(later)).toMatchObject({ status: 'completed', result: 'later' });
    const fails = await client.submit({ template: 'review', parameters: { timeout: '300ms' } });
    expect(await client.ended(fails)).toMatchObject({
      status: 'failed',
      error: { code: 'ANSWER_TIMED_OUT' },
    });
  });

  it('reminds, asks others, and says so', async () => {
    const id = await client.submit({ template: 'chased' });
    const ended = await client.ended(id);
    expect(ended.steps[0]?.waiting).toMatchObject({
      reminders: 2,
      assignees: ['ada', 'grace'],
      answered_by: null,
    });
    const history = await client.call('GET', `/tasks/${id}/events`);
    const types = (history.json as { items: { type: string }[] }).items.map(({ type }) => type);
    expect(types).toEqual([
      'task.submitted',
      'step.waiting',
      'step.reminded',
      'step.escalated',
      'step.reminded',
      'step.answered',
      'task.completed',
    ]);
  });

  it('refuses what is no answer to it, by field', async () => {
    const id = await client.submit({ template: 'review' });
    await waiting(id);
    for (const [body, path] of [
      [{ by: 'ada' }, 'choice'],
      [{ by: 'ada', choice: 'never' }, 'choice'],
      [{ by: 'ada', decision: 'approve', choice: 'later' }, 'choice'],
      [{ by: 'ada', decision: 'approve', data: 1 }, 'data'],
      [{ by: 'ada', decision: 'approve', text: 7 }, 'text'],
    ] as const)
      expect(await answer(id, 'ask', body)).toMatchObject({
        status: 422,
        json: { code: 'ANSWER_INVALID', errors: [{ path }] },
      });
    expect(await answer(id, 'ask', { decision: 'approve' })).toMatchObject({
      status: 422,
      json: { errors: [{ path: 'by' }] },
    });
    expect(code(await answer(id, 'ask', { by: 'ada', decision: 'approve', seq: 1 }))).toBe(
      'STEP_NOT_WAITING',
    );
    expect(code(await answer(id, 'other', { by: 'ada', decision: 'approve' }))).toBe('STEP_UNKNOWN');
    expect(code(await answer(id, 'tell', { by: 'ada', decision: 'approve' }))).toBe('STEP_NOT_WAITING');
    expect(code(await answer('nobody', 'ask', { by: 'ada', decision: 'approve' }))).toBe('TASK_UNKNOWN');
    expect((await answer(id, 'Not-an-id', { by: 'ada', decision: 'approve' })).status).toBe(422);
  });
});

describe('a form', () => {
  it('is filled in as its schema says, and refused field by field where not', async () => {
    const id = await client.submit({ template: 'form' });
    await waiting(id);
    expect(
      await answer(id, 'fill', { by: 'ada', data: { count: 0, colour: 'green', size: 1 } }),
    ).toMatchObject({
      status: 422,
      json: {
        code: 'ANSWER_INVALID',
        errors: expect.arrayContaining([
          expect.objectContaining({ path: 'data.count' }),
          expect.objectContaining({ path: 'data.colour' }),
          expect.objectContaining({ path: 'data.size' }),
        ]),
      },
    });
    expect(code(await answer(id, 'fill', { by: 'ada', decision: 'approve' }))).toBe('ANSWER_INVALID');
    expect((await answer(id, 'fill', { by: 'ada', data: { count: 2 } })).status).toBe(200);
    expect(await client.ended(id)).toMatchObject({ status: 'completed', result: { count: 2 } });
  });
});

describe('the inbox', () => {
  it('comes in pages, the oldest question first, and follows a scheduler that is replaced', async () => {
    const ids: string[] = [];
    for (let n = 0; n < 5; n += 1) {
      ids.push(await client.submit({ template: 'review', parameters: { who: 'paul' } }));
      await waiting(ids.at(-1) ?? '');
    }
    await platform.stopService('scheduler');
    await platform.startService('scheduler');
    while ((await client.call('GET', '/inbox')).status !== 200);
    const seen: string[] = [];
    for (let after: number | null = 0; after !== null;) {
      const page = await client.call('GET', `/inbox?assignee=paul&page_size=2&after=${after}`);
      client.fits(page, 'InboxPage');
      const { items, next } = page.json as { items: { task_id: string }[]; next: number | null };
      expect(items.length).toBeLessThanOrEqual(2);
      seen.push(...items.map(({ task_id: task }) => task));
      after = next;
    }
    expect(seen).toEqual(ids);
    for (const id of ids) expect((await answer(id, 'ask', { by: 'paul', choice: 'later' })).status).toBe(200);
  });
});
