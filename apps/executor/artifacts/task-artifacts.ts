import type { ArtifactStore } from '#libs/artifacts/artifact-store.js';
import { SUBJECTS } from '#libs/contracts/subjects.js';
import {
  ARTIFACT_MAX_BYTES,
  ARTIFACT_REFERENCE_ACCEPTED,
  ARTIFACTS_PER_TASK_MAX,
  objectOf,
  parseReference,
  referenceText,
  type StoredArtifact,
} from '#libs/domain/task/artifact.js';
import type { TaskId } from '#libs/domain/ids.js';
import { START, type EventLog } from '#libs/event-log/event-log.js';
import { quoted } from '../workspace/inside-path.js';
import { StepError } from '../step-error.js';
import { artifactsIn, EMPTY, type TaskHistory } from './artifact-history.js';

export type TaskArtifactsOptions = {
  readonly store: ArtifactStore;
  readonly tasks: Pick<EventLog, 'replay'>;
  /** Unique for ever, and safe in a name. */
  readonly newId: () => string;
};

/** What a step stores, under which name. */
export type ToStore = {
  readonly taskId: TaskId;
  readonly name: string;
  readonly contentType: string;
  readonly content: AsyncIterable<Uint8Array>;
  readonly signal: AbortSignal;
};

export type FoundArtifact = { readonly reference: string; readonly artifact: StoredArtifact };

/** Facts that say which artifacts a task has, and of which workspace it is. */
const FACTS = [
  'submitted',
  'step-completed',
  'finishing',
  'completed',
  'failed',
  'cancelled',
  'artifact-removed',
] as const;

const UPLOAD_FACTS = ['artifact-uploaded', 'artifact-removed'] as const;

/**
 * Artifacts as steps see them. Which there are says the log alone, so a step reads what the steps before it have stored, whatever the
 * read model knows by then; what an attempt has stored becomes one with its report.
 */
export class TaskArtifacts {
  constructor(private readonly options: TaskArtifactsOptions) {}

  /** Rejects with `StepError` or `ArtifactError`. */
  async put({ taskId, name, contentType, content, signal }: ToStore): Promise<StoredArtifact> {
    const { artifacts } = await this.#historyOf(taskId);
    if (!artifacts.has(name) && artifacts.size >= ARTIFACTS_PER_TASK_MAX)
      throw new StepError(
        'ARTIFACTS_TOO_MANY',
        `Task ${taskId} has ${artifacts.size} artifacts, and ${ARTIFACTS_PER_TASK_MAX} are accepted.`,
        { accepted: ARTIFACTS_PER_TASK_MAX },
      );
    const object = objectOf(taskId, this.options.newId());
    const stored = await this.options.store.put(object, content, { maxBytes: ARTIFACT_MAX_BYTES, signal });
    return { name, object, ...stored, contentType };
  }

  /** Rejects with `StepError` for a reference that leads to none that the task may read. */
  async find(reader: TaskId, reference: string): Promise<FoundArtifact> {
    const parsed = parseReference(reference);
    if (parsed === null)
      throw new StepError(
        'STEP_INPUT_INVALID',
        `${quoted(reference)} names no artifact; accepted: ${ARTIFACT_REFERENCE_ACCEPTED}.`,
      );
    const owner = parsed.taskId ?? reader;
    const { workspace, artifacts, removed } = await this.#historyOf(owner);
    const artifact = artifacts.get(parsed.name);
    if (artifact === undefined || !(owner === reader || (await this.#isOfWorkspace(reader, workspace))))
      throw new StepError('ARTIFACT_UNKNOWN', unknownText(owner, parsed.name, workspace, artifacts), {
        taskId: owner,
        name: parsed.name,
      });
    const found = { reference: referenceText(owner, parsed.name), artifact };
    const gone = removed.get(parsed.name);
    if (gone === undefined) return found;
    throw new StepError(
      'ARTIFACT_GONE',
      `Artifact ${found.reference} was removed at ${gone.at} (${gone.reason}).`,
      { removedAt: gone.at, reason: gone.reason },
    );
  }

  /** The bytes, which are whole when all of them were read; throws `ArtifactError` otherwise. */
  read({ object, sizeBytes, digest }: StoredArtifact, signal: AbortSignal): AsyncIterable<Uint8Array> {
    return this.options.store.get(object, { sizeBytes, digest }, signal);
  }

  /** Only what belongs to the same workspace can be read; of the others nobody is even told what there is. */
  async #isOfWorkspace(reader: TaskId, workspace: string | null): Promise<boolean> {
    return (await this.#historyOf(reader)).workspace === workspace;
  }

  /** Of a task, or of an upload: ids are of the same kind. */
  async #historyOf(taskId: TaskId): Promise<TaskHistory> {
    const filterSubjects = [
      ...FACTS.map((fact) => SUBJECTS.task(taskId, fact)),
      ...UPLOAD_FACTS.map((fact) => SUBJECTS.upload(taskId, fact)),
    ];
    let history = EMPTY;
    try {
      for await (const event of this.options.tasks.replay(START, { filterSubjects }))
        history = artifactsIn(history, event);
      return history;
    } catch (error) {
      throw new StepError(
        'LOG_UNAVAILABLE',
        `The history of task ${taskId} cannot be read: ${String(error)}`,
      );
    }
  }
}

/** So many names are told to whoever has asked for another one. */
const TOLD_MAX = 10;

const unknownText = (
  owner: TaskId,
  name: string,
  workspace: string | null,
  artifacts: TaskHistory['artifacts'],
): string => {
  if (workspace === null || artifacts.has(name))
    return `There is no artifact ${referenceText(owner, name)} in the workspace of this task.`;
  const names = [...artifacts.keys()].slice(0, TOLD_MAX).join(', ');
  return `'${owner}' has no artifact '${name}'; it has ${names === '' ? 'none' : names}.`;
};
