import { Migration } from '@mikro-orm/migrations';

/** Which task one repeats. */
export class TaskRerun extends Migration {
  override up(): void {
    this.addSql('alter table task add column rerun_of text null');
  }
}
