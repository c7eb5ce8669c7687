import { Migration } from '@mikro-orm/migrations';

/** Artifacts of tasks: where each is, and when it was removed. */
export class TaskArtifacts extends Migration {
  override up(): void {
    this.addSql(`create table task_artifact (
      owner text not null, name text not null, seq bigint not null, step_id text null, object text not null,
      size_bytes bigint not null, digest text not null, content_type text not null, stored_at text not null,
      removed_at text null, removed_reason text null, primary key (owner, name))`);
    this.addSql('create index task_artifact_object on task_artifact (object)');
  }
}
