import { Migration } from '@mikro-orm/migrations';

/** When a task may start, should be done, and has waited too long. */
export class TaskTimes extends Migration {
  override up(): void {
    this.addSql('alter table task add column run_at text null');
    this.addSql('alter table task add column deadline_at text null');
    this.addSql('alter table task add column queue_ttl_ms bigint null');
  }
}
