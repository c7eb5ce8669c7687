export type TaskId = string;
export type StepId = string;
export type LeaseId = string;
export type ServerId = string;
export type ResidencyId = string;
export type WorkspaceId = string;
export type WorkflowId = string;
export type ScheduleId = string;

/** Ids become subject tokens and path segments: lower-case letters, digits and `-`, 1 to 64 of them. */
const ID = /^[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?$/;

export const isId = (value: string): boolean => ID.test(value);
