import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Objm, type ObjectStore } from '@nats-io/obj';
import { jetStreamArtifactStore } from '#libs/artifacts/jetstream.artifact-store.js';
import { provision } from '#libs/broker/provision.js';
import type { ArtifactList, ArtifactView } from '#libs/contracts/queries.js';
import { TestPlatform } from './platform.js';
import { RestClient } from './rest-client.js';

/** Goal: artifacts go when they are old or in the way, the log says so, and what nothing names goes without a word. */
const MIB = 1024 * 1024;
const KEEP_MS = 3_000;

const STORES = `
name: stores
parameters: { again: { type: boolean, default: false } }
steps:
  - { id: save, type: store_result, with: { name: note.txt, content: 'as it was' } }
  - { id: replace, type: store_result, when: '{{ parameters.again }}', with: { name: note.txt, content: 'as it is' } }
output: '{{ steps.save.output.artifact.reference }}'
`;
const READS = `
name: reads
parameters: { from: { type: string, required: true } }
steps:
  - { id: look, type: read_files, with: { artifacts: ['{{ parameters.from }}'] } }
`;

let platform: TestPlatform;
let client: RestClient;
let objects: ObjectStore;

const begin = async (env: Readonly<Record<string, string>>): Promise<void> => {
  platform = await TestPlatform.start(env);
  client = await RestClient.of(platform);
  objects = await new Objm(platform.connection).open('artifacts');
  for (const [name, text] of Object.entries({ stores: STORES, reads: READS })) {
    await writeFile(join(platform.folder, 'templates', `${name}.yaml`), text);
    while ((await client.call('GET', `/templates/${name}`)).status !== 200);
  }
};

beforeAll(
  async () =>
    await begin({
      ORCHESTRA_ARTIFACTS_KEEP_MS: String(KEEP_MS),
      ORCHESTRA_ARTIFACTS_CHECK_MS: '100',
    }),
  60_000,
);

afterAll(async () => {
  expect(platform?.failures).toEqual([]);
  await platform?.stop();
}, 60_000);

const first = async (id: string): Promise<ArtifactView> => {
  const answer = await client.call('GET', `/tasks/${id}/artifacts`);
  const [item] = (answer.json as ArtifactList).items;
  if (item === undefined) throw new Error('there is no artifact');
  return item;
};

const until = async (isSo: () => Promise<boolean>): Promise<void> => {
  while (!(await isSo())) await pause(20);
};

const namesOf = async (id: string): Promise<readonly string[]> =>
  (await objects.list()).map(({ name }) => name).filter((name) => name.startsWith(`${id}/`));

const removals = async (id: string): Promise<readonly object[]> => {
  const { json } = await client.call('GET', `/tasks/${id}/events`);
  const { items } = json as { items: readonly { type: string; data: object }[] };
  return items.flatMap(({ type, data }) => (type === 'artifact.removed' ? [data] : []));
};

describe('artifacts of tasks that are over', () => {
  it('are removed when they are old: a fact, then the bytes, and readers are told', async () => {
    const id = await client.submit({ template: 'stores' });
    await client.ended(id);
    expect(await first(id)).toMatchObject({ removed_at: null });
    expect(await namesOf(id)).toHaveLength(1);
    await until(async () => (await first(id)).removed_at !== null);
    const { removed_at: removedAt } = await first(id);
    expect(await removals(id)).toEqual([
      {
        taskId: id,
        artifact: expect.objectContaining({ name: 'note.txt', sizeBytes: 9 }),
        reason: 'age',
        at: removedAt,
      },
    ]);
    const gone = await client.call('GET', `/tasks/${id}/artifacts/note.txt`);
    expect([gone.status, gone.json]).toMatchObject([
      410,
      { code: 'ARTIFACT_GONE', details: { removed_at: removedAt, reason: 'age' } },
    ]);
    client.fits(gone, 'Problem');
    const reader = await client.submit({ template: 'reads', parameters: { from: `${id}/note.txt` } });
    expect(await client.ended(reader)).toMatchObject({ status: 'failed', error: { code: 'ARTIFACT_GONE' } });
    await until(async () => (await namesOf(id)).length === 0);
    // A fact behind the end of its task changes neither the task nor the end of its stream.
    expect(await client.ended(id)).toMatchObject({ status: 'completed' });
    expect(await removals(id)).toHaveLength(1);
  });

  it('are removed like files that were sent, by their own age', async () => {
    const sent = await fetch(`${platform.url}/api/v1/artifacts/sent.txt`, {
      method: 'POST',
      headers: { 'content-type': 'application/octet-stream' },
      body: 'as it was',
    });
    const { reference } = (await sent.json()) as { readonly reference: string };
    const status = async (): Promise<number> => (await client.call('GET', `/artifacts/${reference}`)).status;
    expect(await status()).toBe(200);
    await until(async () => (await status()) === 410);
    await until(async () => (await namesOf(reference.split('/')[0] ?? '')).length === 0);
    const reader = await client.submit({ template: 'reads', parameters: { from: reference } });
    expect(await client.ended(reader)).toMatchObject({ status: 'failed', error: { code: 'ARTIFACT_GONE' } });
  });

  it('keep what nobody can read no longer than their task', async () => {
    const id = await client.submit({ template: 'stores', parameters: { again: true } });
    await client.ended(id);
    await until(async () => (await namesOf(id)).length === 1);
    expect((await client.call('GET', `/tasks/${id}/artifacts/note.txt`)).text).toBe('as it is');
  });

  it('are left alone with what an attempt has stored that still runs, and lose it when it did not count', async () => {
    const id = await client.submit({ template: 'noop', parameters: { delay_ms: 60_000 } });
    await client.started(id);
    const store = jetStreamArtifactStore(platform.connection);
    const bytes = async function* (): AsyncGenerator<Uint8Array> {
      yield Buffer.from('left');
    };
    await store.put(`${id}/left`, bytes(), { maxBytes: MIB });
    const over = await client.submit({ template: 'stores', parameters: { again: true } });
    await client.ended(over);
    // That one was swept; this one was looked at before.
    await until(async () => (await namesOf(over)).length === 1);
    expect(await namesOf(id)).toEqual([`${id}/left`]);
    await client.call('DELETE', `/tasks/${id}`);
    await until(async () => (await namesOf(id)).length === 0);
  });
});

describe('artifacts in a store that is nearly full', () => {
  it('go, the oldest first, until there is room', async () => {
    await platform.stop();
    await begin({ ORCHESTRA_ARTIFACTS_CHECK_MS: '100' });
    const ids: string[] = [];
    for (let n = 0; n < 3; n += 1) {
      const id = await client.submit({ template: 'stores' });
      await client.ended(id);
      ids.push(id);
    }
    const { size } = await objects.status();
    // Nine tenths of that are a little less than what is there.
    await provision(platform.connection, { artifactsMaxBytes: Math.floor(size / 0.9) - 10 });
    const [oldest = '', ...newer] = ids;
    await until(async () => (await first(oldest)).removed_at !== null);
    expect(await removals(oldest)).toMatchObject([{ reason: 'space' }]);
    await until(async () => (await namesOf(oldest)).length === 0);
    for (const id of newer)
      expect([await removals(id), await namesOf(id)]).toEqual([[], [expect.any(String)]]);
  });
});
