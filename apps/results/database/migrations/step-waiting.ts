import { Migration } from '@mikro-orm/migrations';

/** What a step waits for, and who has answered. */
export class StepWaiting extends Migration {
  override up(): void {
    this.addSql('alter table task_step add column waiting text null');
  }
}
