import type { LeaseId, ServerId, StepId, TaskId } from '#libs/domain/ids.js';

/** An attempt as `TASKS` tells of it. */
export type Attempt = {
  readonly taskId: TaskId;
  readonly stepId: StepId;
  readonly attempt: number;
  readonly leaseId: LeaseId;
  readonly token: number;
  readonly serverId: ServerId;
  readonly startedSeq: number;
  readonly ended: AttemptEnd | null;
};

export type AttemptEnd = {
  readonly seq: number;
  readonly atMs: number;
  /** The server was not seen to stop: the slot is freed later, when it is certain. */
  readonly unconfirmed: boolean;
};

export const attemptName = ({
  stepId,
  attempt,
}: {
  readonly stepId: StepId;
  readonly attempt: number;
}): string => `attempt ${attempt} of step '${stepId}'`;
