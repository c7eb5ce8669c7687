import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Migrator } from '@mikro-orm/migrations';
import { MikroORM } from '@mikro-orm/sqlite';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { submitted } from '#libs/testing/builders.js';
import { taskStories } from '#libs/testing/task-stories.js';
import type { Orm, Place } from './database/database.js';
import { Checkpoint } from './database/entities.js';
import { Initial } from './database/migrations/sqlite/initial.js';
import { SqliteDatabase } from './database/sqlite.database.js';
import { eventually, newStreams, Running, SILENT, type Streams } from './read-model.harness.conformance.js';
import { readModelConformance } from './read-model.conformance.js';
import { workflowConformance } from './workflow.conformance.js';

/** A disk on which the tables have hardly any room, until it gets more. */
class CrampedDatabase extends SqliteDatabase {
  #writer: Orm | undefined;

  override async openWriter(place: Place): Promise<Orm> {
    this.#writer = await super.openWriter(place);
    await this.#writer.em.execute('pragma max_page_count = 30');
    return this.#writer;
  }

  async enlarge(): Promise<void> {
    await this.#writer?.em.execute('pragma max_page_count = 100000');
  }
}

const newFolder = (): Promise<string> => mkdtemp(join(tmpdir(), 'orchestra-results-'));

describe('the read model in SQLite', () => {
  const make = async () => {
    const folder = await newFolder();
    return { database: new SqliteDatabase(folder, SILENT), remove: () => rm(folder, { recursive: true }) };
  };
  readModelConformance(make);
  workflowConformance(make);
});

describe('the SQLite file', () => {
  let folder: string;
  let streams: Streams;
  const running: Running[] = [];

  beforeEach(async () => {
    folder = await newFolder();
    streams = await newStreams();
    const { tasks, leases } = taskStories(60);
    await streams.tasks.append(...tasks);
    await streams.leases.append(...leases);
  });
  afterEach(async () => {
    for (const one of running.splice(0)) await one.stop();
    await rm(folder, { recursive: true });
  });

  const run = (): Running => {
    const one = Running.on(new SqliteDatabase(folder, SILENT), streams);
    running.push(one);
    return one;
  };
  it('of before there were workflows gets their tables, and is filled anew', async () => {
    const old = await MikroORM.init({
      entities: [Checkpoint],
      dbName: join(folder, 'results.sqlite'),
      extensions: [Migrator],
      migrations: {
        migrationsList: [{ name: 'initial', class: Initial }],
        tableName: 'migration',
        snapshot: false,
      },
      logger: () => undefined,
    });
    await old.migrator.up();
    const { lastSeq } = await streams.tasks.log.tail();
    await old.em.execute(
      'insert into checkpoint (stream, seq, event_id, hash, prev_hash, genesis_id, projection_version) values (?, ?, ?, ?, ?, ?, ?)',
      ['TASKS', lastSeq, 'x', 'x', 'x', 'log-1', 1],
    );
    await old.close();
    const results = run();
    await results.caughtUp();
    expect((await results.all()).length).toBe(60);
    expect(await results.value({ kind: 'workflows', filter: {}, page: { size: 1 } })).toEqual({
      items: [],
      next: null,
    });
  });

  const answersThenStop = async (): Promise<string> => {
    const results = run();
    await results.caughtUp();
    const answers = await results.everything();
    await running.pop()?.stop();
    return answers;
  };

  it.each([
    ['with what belongs to it', ['results.sqlite', 'results.sqlite-wal', 'results.sqlite-shm']],
    ['alone', ['results.sqlite']],
  ])('can be deleted %s: the log gives the same answers', async (_name, files) => {
    const want = await answersThenStop();
    for (const file of files) await rm(join(folder, file), { force: true });
    expect(await answersThenStop()).toBe(want);
  });

  it('that is damaged is put aside and filled anew', async () => {
    const want = await answersThenStop();
    expect(await readdir(folder)).toEqual(['results.sqlite']);
    await writeFile(join(folder, 'results.sqlite'), 'not a database, whatever it is called'.repeat(300));
    expect(await answersThenStop()).toBe(want);
    expect(await readdir(folder)).toContain('results.sqlite.damaged');
  });

  it('leaves nothing of a rebuild that was interrupted', async () => {
    const results = run();
    await results.caughtUp();
    const want = await results.everything();
    results.model.rebuild('asked for');
    await running.pop()?.stop();
    expect(await answersThenStop()).toBe(want);
    const again = run();
    await again.caughtUp();
    again.model.rebuild('asked for');
    await eventually('rebuilt', () => again.model.rebuildStatus()?.state === 'finished');
    expect((await readdir(folder)).filter((file) => file.includes('next'))).toEqual([]);
  });

  it('that somebody has locked is tried again, and said to be what is wrong', async () => {
    const results = run();
    await results.caughtUp();
    const other = await MikroORM.init({
      entities: [],
      discovery: { warnWhenNoEntities: false },
      dbName: join(folder, 'results.sqlite'),
    });
    await other.em.execute('begin immediate');
    const seq = await streams.tasks.append(submitted({ taskId: 'waiting' }));
    await eventually('not ready', () => results.model.health().reasons.length > 0);
    expect(results.model.health().reasons[0]).toMatch(
      /^TASKS: at \d+, into .*results\.sqlite: .*database is locked/,
    );
    expect(await results.reply({ kind: 'task', taskId: 'task-1' })).toMatchObject({ ok: true });
    await other.em.execute('rollback');
    await other.close();
    await eventually('included', async () => (await results.reply({ kind: 'task', taskId: 'waiting' })).ok);
    await results.caughtUp();
    expect(results.model.includedSeq).toBe(seq);
  });

  it('that finds the disk full is tried again, and nothing is lost', async () => {
    const want = await answersThenStop();
    await rm(join(folder, 'results.sqlite'));
    const cramped = new CrampedDatabase(folder, SILENT);
    const results = Running.on(cramped, streams);
    running.push(results);
    await eventually('full', () =>
      results.model.health().reasons.some((reason) => reason.includes('disk is full')),
    );
    expect(await results.reply({ kind: 'status-counts', filter: {} })).toMatchObject({ ok: true });
    await cramped.enlarge();
    await results.caughtUp();
    expect(await results.everything()).toBe(want);
  });

  it('that cannot be opened keeps the service not ready, with the reason', async () => {
    await writeFile(join(folder, 'in-the-way'), '');
    const results = Running.on(new SqliteDatabase(join(folder, 'in-the-way', 'deep'), SILENT), streams);
    running.push(results);
    await eventually('said', () =>
      results.model.health().reasons.some((reason) => reason.includes('in-the-way')),
    );
    expect(await results.reply({ kind: 'task', taskId: 'task-1' })).toMatchObject({
      ok: false,
      failure: { code: 'SERVICE_UNAVAILABLE' },
    });
    await rm(join(folder, 'in-the-way'));
    await results.caughtUp();
    expect(await results.reply({ kind: 'task', taskId: 'task-1' })).toMatchObject({ ok: true });
  });
});
