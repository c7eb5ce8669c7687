import { Migration } from '@mikro-orm/migrations';

/** Items of steps that run for each of a list, and their counts. */
export class TaskItems extends Migration {
  override up(): void {
    this.addSql('alter table task_step add column items text null');
    this.addSql(`create table task_item (
      task_seq bigint not null, position integer not null, item_index integer not null, status text not null,
      attempts integer not null, output text null, error text null, started_at text null, ended_at text null,
      primary key (task_seq, position, item_index))`);
  }
}
