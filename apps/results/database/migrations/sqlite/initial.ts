import { Migration } from '@mikro-orm/migrations';

/** `integer primary key` is SQLite's own row id: the newest task is then the last row, and no second index is kept. */
export class Initial extends Migration {
  override up(): void {
    this.addSql(`create table task (
      seq integer not null primary key, id text not null, last_seq bigint not null, workspace text not null,
      status text not null, priority integer not null, template_name text not null, template_version text not null,
      parameters text not null, depends_on text not null, labels text not null, created_at text not null,
      started_at text null, ended_at text null, cancel_requested_at text null, result text null, error text null)`);
    this.addSql('create unique index task_id_unique on task (id)');
    this.addSql('create index task_created_at_index on task (created_at)');
    this.addSql('create index task_workspace_seq_index on task (workspace, seq)');
    this.addSql('create index task_status_seq_index on task (status, seq)');
    this.addSql('create index task_template_name_seq_index on task (template_name, seq)');
    this.addSql(`create table task_label (
      task_seq bigint not null, key text not null, value text not null, primary key (task_seq, key)) without rowid`);
    this.addSql('create index task_label_key_value_task_seq_index on task_label (key, value, task_seq)');
    this.addSql(`create table task_step (
      task_seq bigint not null, position integer not null, step_id text not null, step_type text not null,
      needs text not null, status text not null, output text null, primary key (task_seq, position))`);
    this.addSql(`create table attempt (
      seq integer not null primary key, task_seq bigint not null, step_id text not null, attempt integer not null,
      server_id text not null, lease_id text not null, model text null, dispatched_at text not null,
      started_at text null, ended_at text null, outcome text not null, error text null, usage text null)`);
    this.addSql('create index attempt_task_seq_index on attempt (task_seq)');
    this.addSql(`create table task_count (
      workspace text not null, template_name text not null, status text not null, tasks bigint not null,
      primary key (workspace, template_name, status)) without rowid`);
    this.addSql(`create table lease (
      lease_id text not null primary key, task_id text not null, step_id text not null, attempt integer not null,
      server_id text not null, residency_id text null, token bigint not null, granted_at text not null,
      ended_at text null, ended text null)`);
    this.addSql('create index lease_task_id_index on lease (task_id)');
    this.addSql(`create table residency (
      residency_id text not null primary key, server_id text not null, model text not null, started_at text not null,
      vram_bytes bigint null, loaded_at text null, ended_at text null)`);
    this.addSql(`create table checkpoint (
      stream text not null primary key, seq bigint not null, event_id text not null, hash text not null,
      prev_hash text not null, genesis_id text not null, projection_version integer not null)`);
  }
}
