import { Migration } from '@mikro-orm/migrations';

/** Which step of which task submitted one. */
export class TaskParent extends Migration {
  override up(): void {
    this.addSql('alter table task add column parent_task_id text null');
    this.addSql('alter table task add column parent_step_id text null');
    this.addSql('create index task_parent_task_id_seq_index on task (parent_task_id, seq)');
  }
}
