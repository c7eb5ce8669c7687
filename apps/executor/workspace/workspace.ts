import { StepError } from '../step-error.js';
import { diskUsage } from './disk-usage.js';

/** Where the steps of one task find each other's files. */
export type Workspace = {
  /** Folder of everything that the task has here: what its steps share, and what its attempts have for themselves. */
  readonly home: string;
  /** Absolute and real path of the folder that steps share. */
  readonly files: string;
  /** A folder of this attempt alone, beside the shared one. */
  readonly scratch: string;
  /** Disk space that all of it may take. */
  readonly maxBytes: number;
};

export const usedBytes = async ({ home, maxBytes }: Workspace): Promise<number> =>
  (await diskUsage(home, maxBytes)).bytes;

export const fullError = (maxBytes: number): StepError =>
  new StepError(
    'WORKSPACE_FULL',
    `The workspace of the task would hold more than ${maxBytes} bytes, which are allowed (ORCHESTRA_WORKSPACE_MAX_BYTES).`,
    { maxBytes },
  );

/** Throws when the workspace cannot take so many bytes more. */
export const makeRoom = async (workspace: Workspace, bytes: number): Promise<void> => {
  if ((await usedBytes(workspace)) + bytes > workspace.maxBytes) throw fullError(workspace.maxBytes);
};
