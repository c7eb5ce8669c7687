import type { SqlEntityManager } from '@mikro-orm/sqlite';
import type { Orm } from './database.js';

/**
 * Runs `work` in one transaction. Everything in it goes through the manager that it is handed: SQLite has one
 * connection, and a query through another manager would wait for the end of the transaction that waits for it.
 *
 * Not `em.transactional`: that begins with Kysely's controlled transactions, which keep the connection for ever when
 * `begin` or `rollback` fails, as they do when the server cuts a connection or a full disk has rolled back already. A writer
 * has one connection, so it would never write again. `connection()` gives it back in every case.
 */
export const inTransaction = async <T>(orm: Orm, work: (em: SqlEntityManager) => Promise<T>): Promise<T> => {
  // Connecting runs statements of its own, which would wait for the connection that is taken next.
  await orm.em.getConnection().ensureConnection();
  return orm.em
    .fork()
    .getKysely()
    .connection()
    .execute(async (connection) => {
      const em = orm.em.fork();
      em.setTransactionContext(connection);
      await em.execute('begin', [], 'run');
      try {
        const result = await work(em);
        await em.execute('commit', [], 'run');
        return result;
      } catch (error) {
        // It fails where the database has rolled back already, which must not hide why.
        await em.execute('rollback', [], 'run').catch(() => undefined);
        throw error;
      }
    });
};
