import { isId, type TaskId } from '../ids.js';

/** Large data of a task: it lies in the object store, and the log says where, how much, and what its digest is. */
export type StoredArtifact = {
  /** Unique within its task; one that is stored again under a name takes its place. */
  readonly name: string;
  /** Where it lies in the object store. */
  readonly object: string;
  readonly sizeBytes: number;
  /** `sha256:` and 64 hexadecimal digits. */
  readonly digest: string;
  readonly contentType: string;
};

/** Names become segments of paths and names of files. */
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;

export const ARTIFACT_NAME_ACCEPTED = '1 to 128 letters, digits, . _ and -, with a letter or digit first';

export const isArtifactName = (name: string): boolean => NAME.test(name);

/** Largest one: a gigabyte. */
export const ARTIFACT_MAX_BYTES = 1024 * 1024 * 1024;

/** Artifacts of one task: enough for one of each of many items, and a page of them is one message. */
export const ARTIFACTS_PER_TASK_MAX = 1_000;

/** How steps and people name an artifact: `<task>/<name>`, or the name alone for one of the same task. */
export type ArtifactReference = { readonly taskId: TaskId | null; readonly name: string };

export const ARTIFACT_REFERENCE_ACCEPTED = `<task>/<name>, or the <name> alone for one of the same task; a name has ${ARTIFACT_NAME_ACCEPTED}`;

export const referenceText = (taskId: TaskId, name: string): string => `${taskId}/${name}`;

/** Null for a text that names none. */
export const parseReference = (text: string): ArtifactReference | null => {
  const slash = text.indexOf('/');
  const taskId = slash < 0 ? null : text.slice(0, slash);
  const name = text.slice(slash + 1);
  if (taskId !== null && !isId(taskId)) return null;
  return isArtifactName(name) ? { taskId, name } : null;
};

/**
 * Objects are named after their task and a part that is used once, so that what is written at the same time, or again by another attempt,
 * never meets.
 */
export const objectOf = (taskId: TaskId, unique: string): string => `${taskId}/${unique}`;
/** The task of an object; null for a name of another kind. */
export const taskOfObject = (object: string): TaskId | null => {
  const slash = object.indexOf('/');
  const taskId = object.slice(0, Math.max(0, slash));
  return isId(taskId) ? taskId : null;
};
