import { Migrator } from '@mikro-orm/migrations';
import { MikroORM } from '@mikro-orm/postgresql';
import type { Database, Orm, Place } from './database.js';
import { ENTITIES } from './entities.js';
import { Initial } from './migrations/postgresql/initial.js';
import { Workflows } from './migrations/postgresql/workflows.js';
import { inTransaction } from './transaction.js';

const SCHEMAS: Readonly<Record<Place, string>> = {
  live: 'orchestra_results',
  next: 'orchestra_results_next',
};

/** Queries at once; each takes a connection. PostgreSQL allows 100 by default, for all its clients together. */
const READERS_MAX = 8;

/** A connection that is not there by then will not come; the projection tries again by itself. */
const CONNECT_TIMEOUT_MS = 5_000;

/** A query of ours takes milliseconds. One that takes this long is stuck, and the caller has given up long ago. */
const STATEMENT_TIMEOUT_MS = 30_000;

/** The read model in PostgreSQL: one schema that is served, and one beside it that a rebuild fills. */
export class PostgresDatabase implements Database {
  readonly name: string;

  constructor(private readonly url: string) {
    const { host, pathname } = new URL(url);
    this.name = `postgresql://${host}${pathname} (schema ${SCHEMAS.live})`;
  }

  async openWriter(place: Place): Promise<Orm> {
    // A power cut may cost the last transactions, never consistency; the checkpoint says what to read again.
    const orm = await this.#open(SCHEMAS[place], 1, '-c synchronous_commit=off');
    try {
      await orm.migrator.up();
      return orm;
    } catch (error) {
      await orm.close();
      throw error;
    }
  }

  async openReader(): Promise<Orm> {
    // What a query reads in several statements has to be of one moment; SQLite gives that by itself.
    const oneMoment =
      '-c default_transaction_read_only=on -c default_transaction_isolation=repeatable\\ read';
    return this.#open(SCHEMAS.live, READERS_MAX, oneMoment);
  }

  async discardNext(): Promise<void> {
    await this.#alone((orm) => orm.em.execute(`drop schema if exists ${SCHEMAS.next} cascade`));
  }

  async promote(): Promise<void> {
    await this.#alone((orm) =>
      inTransaction(orm, async (em) => {
        await em.execute(`drop schema if exists ${SCHEMAS.live} cascade`);
        await em.execute(`alter schema ${SCHEMAS.next} rename to ${SCHEMAS.live}`);
      }),
    );
  }

  async #alone(work: (orm: MikroORM) => Promise<unknown>): Promise<void> {
    const orm = await this.#open('public', 1, '');
    try {
      // Makes the database where it is not there yet.
      await orm.schema.ensureDatabase();
      await work(orm);
    } finally {
      await orm.close();
    }
  }

  /** Names without a schema are found by the search path, so the same SQL serves both places. */
  #open(schema: string, connectionsMax: number, options: string): Promise<MikroORM> {
    return MikroORM.init({
      entities: ENTITIES,
      clientUrl: this.url,
      pool: { min: 0, max: connectionsMax },
      driverOptions: {
        connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
        options: `-c search_path=${schema} -c statement_timeout=${STATEMENT_TIMEOUT_MS} ${options}`,
      },
      extensions: [Migrator],
      migrations: {
        migrationsList: [
          { name: 'initial', class: Initial },
          { name: 'workflows', class: Workflows },
        ],
        tableName: 'migration',
        snapshot: false,
        schema,
      },
      logger: () => undefined,
    });
  }
}
