import { Migration } from '@mikro-orm/migrations';

/** Steps that run at the end of a task, and a task of which only those run. */
export class TaskEnd extends Migration {
  override up(): void {
    this.addSql('alter table task add column finishing text null');
    this.addSql('alter table task_step add column at_end text null');
  }
}
