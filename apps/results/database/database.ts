import type { SqlEntityManager } from '@mikro-orm/sqlite';

/** An ORM on either database: the code above uses only what both have. */
export type Orm = { readonly em: SqlEntityManager; readonly close: () => Promise<void> };

/** The tables that are served, and those that a rebuild fills beside them. */
export type Place = 'live' | 'next';

/**
 * Where the read model is kept. There are two places of equal structure, so that a rebuild never changes a row that
 * is being served; `promote` puts the finished one in the place of the other in one step.
 */
export interface Database {
  /** For messages: the file, or host and schema. Never a password. */
  readonly name: string;
  /** Opens a place for its one writer, creates it if it is not there, and applies the migrations. */
  openWriter(place: Place): Promise<Orm>;
  /** Opens the live place for queries: its own connection, which cannot write and does not wait for the writer. */
  openReader(): Promise<Orm>;
  /** Removes what an interrupted rebuild left. Nothing may be open there. */
  discardNext(): Promise<void>;
  /** `next` becomes `live`, and the old `live` is gone. Nothing may be open in either. */
  promote(): Promise<void>;
}
