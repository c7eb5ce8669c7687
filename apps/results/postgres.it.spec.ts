import { MikroORM } from '@mikro-orm/postgresql';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { submitted } from '#libs/testing/builders.js';
import { findPostgres, startPostgres, type PostgresServer } from '#libs/testing/postgres-server.js';
import { taskStories } from '#libs/testing/task-stories.js';
import { PostgresDatabase } from './database/postgres.database.js';
import { readModelConformance } from './read-model.conformance.js';
import { eventually, newStreams, Running } from './read-model.harness.conformance.js';
import { workflowConformance } from './workflow.conformance.js';

const binaries = findPostgres();
const whereInstalled = binaries === null ? describe.skip : describe;
const reason =
  binaries === null
    ? ' (skipped: no initdb in /usr/lib/postgresql/*/bin or on the PATH; install postgresql)'
    : '';

whereInstalled(`the read model in PostgreSQL${reason}`, () => {
  let server: PostgresServer;
  let databases = 0;

  beforeAll(async () => {
    server = await startPostgres(binaries ?? '');
  }, 60_000);
  afterAll(() => server.remove());

  const newUrl = (): string => `${server.url}results_${(databases += 1)}`;

  const make = async () => ({ database: new PostgresDatabase(newUrl()), remove: async () => undefined });
  readModelConformance(make);
  workflowConformance(make);

  it('waits for a lock that somebody else holds, and loses nothing', async () => {
    const url = newUrl();
    const streams = await newStreams();
    await streams.tasks.append(...taskStories(20).tasks);
    const results = Running.on(new PostgresDatabase(url), streams);
    await results.caughtUp();
    const other = await MikroORM.init({
      entities: [],
      discovery: { warnWhenNoEntities: false },
      clientUrl: url,
    });
    const em = other.em.fork();
    await em.begin();
    await em.execute('lock table orchestra_results.checkpoint in exclusive mode');
    const seq = await streams.tasks.append(submitted({ taskId: 'waiting' }));
    expect(await results.reply({ kind: 'task', taskId: 'waiting' })).toMatchObject({ ok: false });
    await em.rollback();
    expect(await results.reply({ kind: 'task', taskId: 'waiting', atLeastSeq: seq })).toMatchObject({
      ok: true,
    });
    await other.close();
    await results.stop();
  });

  it('follows again when its connections were cut', async () => {
    const url = newUrl();
    const streams = await newStreams();
    const results = Running.on(new PostgresDatabase(url), streams);
    await results.caughtUp();
    const other = await MikroORM.init({
      entities: [],
      discovery: { warnWhenNoEntities: false },
      clientUrl: url,
    });
    for (let round = 0; round < 5; round += 1) {
      await other.em.execute(
        'select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()',
      );
      const seq = await streams.tasks.append(submitted({ taskId: `t${round}` }));
      await eventually(
        'included',
        async () => (await results.reply({ kind: 'task', taskId: `t${round}`, atLeastSeq: seq })).ok,
      );
    }
    await other.close();
    await results.stop();
  }, 30_000);
});
