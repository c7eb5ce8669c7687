import { Migration } from '@mikro-orm/migrations';

/** Where somebody has put a task in the queue. */
export class TaskMoved extends Migration {
  override up(): void {
    this.addSql('alter table task add column moved text null');
  }
}
