import { Migration } from '@mikro-orm/migrations';

export class Workflows extends Migration {
  override up(): void {
    this.addSql('alter table task add column workflow_id text null');
    this.addSql('create index task_workflow_id_seq_index on task (workflow_id, seq)');
    this.addSql(`create table workflow (
      seq bigint not null primary key, id text not null, workspace text not null, name text null,
      labels text not null, created_at text not null, tasks text not null)`);
    this.addSql('create unique index workflow_id_unique on workflow (id)');
    this.addSql('create index workflow_workspace_seq_index on workflow (workspace, seq)');
  }
}
