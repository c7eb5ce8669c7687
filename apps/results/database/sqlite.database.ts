import { existsSync } from 'node:fs';
import { mkdir, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Migrator } from '@mikro-orm/migrations';
import { MikroORM } from '@mikro-orm/sqlite';
import type { Logger } from '#libs/runtime/logger.js';
import type { Database, Orm, Place } from './database.js';
import { ENTITIES } from './entities.js';
import { Initial } from './migrations/sqlite/initial.js';
import { Workflows } from './migrations/sqlite/workflows.js';

/**
 * The driver waits for a lock inside a synchronous call, so the whole process stands still meanwhile. This is enough
 * for another process's short write; what takes longer is tried again by the projector, which waits without blocking.
 */
const BUSY_TIMEOUT_MS = 200;

/** Pages of 4 KiB in the write-ahead log before it is merged into the file: 8 MiB, which merges in some 20 ms. */
const WAL_PAGES = 2_000;

/** The read model in one file (write-ahead log), `<data>/results.sqlite`; a rebuild fills `results.next.sqlite`. */
export class SqliteDatabase implements Database {
  readonly name: string;
  readonly #files: Readonly<Record<Place, string>>;

  constructor(
    dataDir: string,
    private readonly logger: Logger,
  ) {
    this.#files = { live: join(dataDir, 'results.sqlite'), next: join(dataDir, 'results.next.sqlite') };
    this.name = this.#files.live;
  }

  async openWriter(place: Place): Promise<Orm> {
    const file = this.#files[place];
    await mkdir(dirname(file), { recursive: true });
    try {
      return await openFile(file);
    } catch (error) {
      if (!isDamaged(error)) throw named(error, file);
      const aside = `${file}.damaged`;
      this.logger.error(
        { file, aside, error: String(error) },
        'database is damaged; put aside, filling a new one',
      );
      await removeDatabase(aside);
      await rename(file, aside);
      await removeDatabase(file);
      return openFile(file);
    }
  }

  async openReader(): Promise<Orm> {
    return connect(this.#files.live, { readonly: true, fileMustExist: true });
  }

  async discardNext(): Promise<void> {
    await removeDatabase(this.#files.next);
  }

  async promote(): Promise<void> {
    const { live, next } = this.#files;
    // The last connection that closes merges the write-ahead log. One that is left belongs to a reader outside, and
    // must not be taken for that of the new file.
    if (existsSync(`${next}-wal`))
      throw new Error(`${next} is still open somewhere; close it and rebuild again`);
    await rm(`${live}-wal`, { force: true });
    await rm(`${live}-shm`, { force: true });
    await rename(next, live);
  }
}

const openFile = async (file: string): Promise<Orm> => {
  const orm = await connect(file, {});
  try {
    await orm.em.execute('pragma journal_mode = wal');
    // A power cut may cost the last transactions, never the file; the checkpoint says what to read again.
    await orm.em.execute('pragma synchronous = normal');
    await orm.em.execute(`pragma wal_autocheckpoint = ${WAL_PAGES}`);
    await orm.migrator.up();
    return orm;
  } catch (error) {
    await orm.close();
    throw error;
  }
};

const connect = (
  file: string,
  driverOptions: { readonly?: boolean; fileMustExist?: boolean },
): Promise<MikroORM> =>
  MikroORM.init({
    entities: ENTITIES,
    dbName: file,
    driverOptions: { ...driverOptions, timeout: BUSY_TIMEOUT_MS },
    extensions: [Migrator],
    migrations: {
      migrationsList: [
        { name: 'initial', class: Initial },
        { name: 'workflows', class: Workflows },
      ],
      tableName: 'migration',
      snapshot: false,
    },
    logger: () => undefined,
  });

const removeDatabase = async (file: string): Promise<void> => {
  for (const suffix of ['', '-wal', '-shm']) await rm(`${file}${suffix}`, { force: true });
};

const isDamaged = (error: unknown): boolean => /malformed|not a database/i.test(String(error));

const named = (error: unknown, file: string): Error =>
  new Error(`${file}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
