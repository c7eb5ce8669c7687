import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { TestPlatform } from './platform.js';
import { RestClient } from './rest-client.js';

type Versions = { readonly items: readonly { readonly number: number; readonly version: string }[] };

let platform: TestPlatform;
let client: RestClient;

beforeAll(async () => {
  platform = await TestPlatform.start();
  client = await RestClient.of(platform);
}, 60_000);

afterAll(async () => {
  await platform?.stop();
}, 60_000);

const file = (name: string): string => join(platform.folder, 'templates', `${name}.yaml`);

const put = async (name: string, word: string): Promise<void> =>
  await writeFile(
    file(name),
    `name: ${name}\nparameters: { who: { type: string, default: you } }\nsteps:\n  - { id: say, type: noop, with: { echo: '${word} {{ parameters.who }}' } }\n`,
  );

const versions = async (name: string): Promise<Versions['items']> => {
  const answer = await client.call('GET', `/templates/${name}/versions`);
  if (answer.status !== 200) return [];
  client.fits(answer, 'TemplateVersions');
  return (answer.json as Versions).items;
};

/** Waits until the log has so many versions. */
const known = async (name: string, count: number): Promise<Versions['items']> => {
  for (;;) {
    const items = await versions(name);
    if (items.length >= count) return items;
  }
};

describe('versions of a template', () => {
  it('stay usable after its file has changed, and after it is gone', async () => {
    await put('greet', 'Hello');
    await known('greet', 1);
    await put('greet', 'Goodbye');
    const [second, first] = await known('greet', 2);
    expect([first, second]).toMatchObject([
      { number: 1, current: false },
      { number: 2, current: true },
    ]);

    const result = async (template: string): Promise<unknown> => {
      const task = await client.ended(await client.submit({ template }));
      return [task.result, task.template.version];
    };
    expect(await result('greet')).toEqual(['Goodbye you', second?.version]);
    expect(await result('greet@1')).toEqual(['Hello you', first?.version]);
    expect(await result(`greet@${first?.version}`)).toEqual(['Hello you', first?.version]);
    // An old version that was used is not the latest for it.
    expect(await result('greet')).toEqual(['Goodbye you', second?.version]);
    expect(await known('greet', 2)).toMatchObject([{ current: true }, { current: false }]);

    const shown = await client.call('GET', '/templates/greet@1');
    client.fits(shown, 'Template');
    expect(shown.json).toMatchObject({ version: first?.version });

    await rm(file('greet'));
    while ((await client.call('GET', '/templates/greet')).status !== 404);
    expect(await result('greet@2')).toEqual(['Goodbye you', second?.version]);
    expect((await client.call('POST', '/tasks', { template: 'greet' })).json).toMatchObject({
      code: 'TEMPLATE_UNKNOWN',
    });
  }, 30_000);

  it('may be named in workflows and schedules', async () => {
    await put('part', 'One');
    await known('part', 1);
    await put('part', 'Two');
    const [, first] = await known('part', 2);
    const workflow = await client.call('POST', '/workflows', {
      tasks: { old: { template: 'part@1' }, now: { template: 'part' } },
    });
    expect([workflow.status, workflow.text]).toEqual([201, expect.any(String)]);
    const { tasks } = workflow.json as { tasks: readonly { name: string; id: string }[] };
    const results = await Promise.all(
      tasks.map(async ({ name, id }) => [name, (await client.ended(id)).result]),
    );
    expect(Object.fromEntries(results)).toEqual({ old: 'One you', now: 'Two you' });

    const schedule = { template: 'part@1', every: '1h' };
    expect((await client.call('PUT', '/schedules/parts', schedule)).json).toMatchObject({
      template: 'part',
      template_version: 'pinned',
      pinned_version: first?.version,
    });
    const wrong = await client.call('PUT', '/schedules/parts', { ...schedule, template_version: 'latest' });
    expect(wrong.json).toMatchObject({ code: 'VALIDATION_FAILED' });
    expect(wrong.text).toMatch(/template_version contradicts part@1; accepted: pinned/);
  });

  it('can be compared', async () => {
    await put('compared', 'One');
    await known('compared', 1);
    await put('compared', 'Two');
    await known('compared', 2);
    const answer = await client.call('GET', '/templates/compared/diff?from=1');
    client.fits(answer, 'TemplateDiff');
    expect(answer.json).toMatchObject({
      changes: [
        {
          path: 'steps.say.with.echo',
          kind: 'changed',
          before: 'One {{ parameters.who }}',
          after: 'Two {{ parameters.who }}',
        },
      ],
    });
    const same = await client.call('GET', '/templates/compared/diff?from=2&to=2');
    expect(same.json).toMatchObject({ changes: [] });
  });

  it.each([
    ['POST', '/tasks', { template: 'noop@77' }, 404, /no version '77' of template 'noop'; accepted: 1 \(/],
    ['POST', '/tasks', { template: 'noop@x' }, 422, /template.*its number, its hash or latest/],
    ['POST', '/workflows', { tasks: { a: { template: 'noop@77' } } }, 404, /tasks\.a.*no version '77'/],
    ['GET', '/templates/noop@77', undefined, 404, /no version '77'/],
    ['GET', '/templates/nope/versions', undefined, 404, /no template 'nope'/],
    ['GET', '/templates/noop/diff?from=x', undefined, 422, /from.*number of a version/],
    ['GET', '/templates/noop/diff', undefined, 422, /from/],
    ['POST', '/templates/nope/render', {}, 404, /no template 'nope'/],
    ['POST', '/templates/noop/render', { parameters: 5 }, 422, /must be an object/],
    ['POST', '/templates/noop/render', { parameters: { delay_ms: -1 } }, 422, /parameters\.delay_ms/],
  ])('is refused with what there is: %s %s %j', async (method, path, body, status, says) => {
    const answer = await client.call(method, path, body);
    expect([answer.status, answer.text]).toEqual([status, expect.stringMatching(says)]);
    client.fits(answer, 'Problem');
  });
});

describe('a dry run', () => {
  it('shows what a task would be, and makes none', async () => {
    const parameters = { model: 'llama3.2:3b', prompt: 'Why?' };
    const answer = await client.call('POST', '/templates/ollama-inference/render', { parameters });
    expect(answer.status).toBe(200);
    client.fits(answer, 'DryRun');
    expect(answer.json).toMatchObject({
      name: 'ollama-inference',
      parameters,
      steps: [{ id: 'generate', stage: 1, slot: { kind: 'model', model: 'llama3.2:3b' }, input: parameters }],
    });
    const tasks = await client.call('GET', '/tasks?template=ollama-inference');
    expect(tasks.json).toMatchObject({ items: [] });
  });
});

describe('warnings about templates', () => {
  it('are told with the list and by a check, and keep nothing from running', async () => {
    const text = 'name: spare\nparameters: { x: { type: any } }\nsteps:\n  - { id: a, type: noop }\n';
    const warning = {
      line: 2,
      column: 15,
      path: 'parameters.x',
      message: expect.stringMatching(/nothing reads it/),
    };
    const checked = await client.call('POST', '/templates/validate', { template: text });
    client.fits(checked, 'Validated');
    expect(checked.json).toMatchObject({ valid: true, warnings: [warning] });
    await writeFile(file('spare'), text);
    await known('spare', 1);
    const list = await client.call('GET', '/templates');
    client.fits(list, 'TemplateList');
    expect(list.json).toMatchObject({
      problems: [],
      warnings: [{ ...warning, file: 'templates/spare.yaml' }],
    });
    expect((await client.ended(await client.submit({ template: 'spare' }))).status).toBe('completed');
  });

  it('and named outputs are the result of a task', async () => {
    await writeFile(
      file('named'),
      "name: named\nparameters: { n: { type: any } }\nsteps:\n  - { id: a, type: noop, with: { echo: '{{ parameters.n }}' } }\noutputs:\n  n: { type: integer, value: '{{ steps.a.output }}' }\n",
    );
    await known('named', 1);
    const shown = await client.call('GET', '/templates/named');
    client.fits(shown, 'Template');
    const of = async (n: unknown) =>
      await client.ended(await client.submit({ template: 'named', parameters: { n } }));
    expect(await of(3)).toMatchObject({ status: 'completed', result: { n: 3 } });
    expect(await of('three')).toMatchObject({
      status: 'failed',
      error: {
        code: 'VALUE_REFUSED',
        message: expect.stringContaining("outputs.n: 'three' is not accepted; expected a whole number"),
      },
    });
  });
});
