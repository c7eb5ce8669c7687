import type { StoredArtifact } from '#libs/domain/task/artifact.js';
import type { ArtifactRemoved, ArtifactUploaded } from '#libs/domain/task/artifact-events.js';
import type { StepSuccess } from '#libs/domain/task/events.js';
import type { TaskId } from '#libs/domain/ids.js';
import type { AuditRecord } from './audit-record.js';
import type { Findings } from './findings.js';

/** Where an event names a step that has ended; a step that failed has stored nothing. */
type Ended = {
  readonly step?: Partial<StepSuccess>;
  readonly last?: { readonly step?: StepSuccess };
  readonly end?: { readonly last?: { readonly step?: StepSuccess } };
};

const successesOf = ({ step, last, end }: Ended): readonly Partial<StepSuccess>[] =>
  [step, last?.step, end?.last?.step].filter((one) => one !== undefined);

const OVER: ReadonlySet<string> = new Set(['task.completed', 'task.failed', 'task.cancelled']);

/** Whether each artifact that was removed had been stored, as it is said, by a task that is over, and once. */
export class ArtifactAudit {
  /** Digest by task and object, of those that were not removed. */
  readonly #stored = new Map<string, string>();
  readonly #over = new Set<TaskId>();

  constructor(
    private readonly stream: string,
    private readonly findings: Findings,
  ) {}

  /** Every event of `TASKS`. */
  take({ seq, type, data }: AuditRecord): void {
    for (const step of successesOf(data))
      for (const artifact of step.artifacts ?? []) this.#keep(String(data['taskId']), artifact, seq);
    if (type === 'artifact.uploaded') {
      const { uploadId, artifact } = data as unknown as ArtifactUploaded;
      this.#keep(uploadId, artifact, seq);
    }
    if (OVER.has(type)) this.#over.add(String(data['taskId']));
    if (type === 'artifact.removed') this.#removed(data as unknown as ArtifactRemoved, seq);
  }

  #keep(taskId: TaskId, { object, digest, name }: StoredArtifact, seq: number): void {
    const key = `${taskId} ${object}`;
    if (this.#stored.has(key)) this.#found(taskId, seq, `artifact '${name}' lies where another one does`);
    this.#stored.set(key, digest);
  }

  #removed({ taskId, uploadId, artifact }: ArtifactRemoved, seq: number): void {
    const owner = taskId ?? uploadId;
    const key = `${owner} ${artifact.object}`;
    const why = !(taskId === undefined || this.#over.has(taskId))
      ? 'was removed before its task was over'
      : this.#stored.get(key) !== artifact.digest
        ? 'was removed though it was never stored so, or again'
        : null;
    if (why !== null) this.#found(owner, seq, `artifact '${artifact.name}' ${why}`);
    this.#stored.delete(key);
  }

  #found(taskId: TaskId, seq: number, message: string): void {
    this.findings.add('ARTIFACT_WRONGLY', { stream: this.stream, seq, taskId }, message);
  }
}
