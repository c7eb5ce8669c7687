import type { StepId, TaskId } from '#libs/domain/ids.js';
import type { StoredArtifact } from '#libs/domain/task/artifact.js';
import type { Requirement } from '#libs/domain/task/requirement.js';
import type { ModelUsage } from '#libs/domain/usage.js';
import type { ModelRunner } from '#libs/model-runner/model-runner.js';
import type { Redactor } from '#libs/secrets/redactor.js';
import type { Workspace } from './workspace/workspace.js';

/** What a step type gets: its filled-in input, what it may use, and how to say that it gets on. */
export type StepContext = {
  readonly taskId: TaskId;
  readonly stepId: StepId;
  readonly input: Readonly<Record<string, unknown>>;
  readonly requirement: Requirement;
  /**
   * Takes secrets out of text. What the step gives back goes through it anyway; a step uses it where it cuts a text short, because
   * half a value would not be known. Idle for a step that has nothing to do with secrets.
   */
  readonly redactor: Redactor;
  /** From 1. */
  readonly attempt: number;
  /** How long nothing may be heard of it, where its step says that. */
  readonly noProgressMs?: number;
  /** The server that the lease is for; rejects for a CPU step. */
  readonly model: () => Promise<ModelRunner>;
  /** The files of the task, made when they are asked for first; rejects when those of earlier steps are not here. */
  readonly workspace: () => Promise<Workspace>;
  readonly token: (text: string, thinking?: string) => void;
  readonly progress: (message: string, completed?: number, total?: number) => void;
  readonly signal: AbortSignal;
  /** What only step types of others ask for. */
  readonly plugin?: PluginPart;
};

/** The run of a step type of others: which one it is, and what it may use. */
export type PluginPart = {
  readonly stepType: string;
  /** Unique, also over attempts: lease and token. */
  readonly run: string;
  readonly taskId: string;
  readonly stepId: string;
  /** How long its step waits for a worker, where it does not wait for ever. */
  readonly workerWaitMs?: number;
  /** Where the server is that the lease is for. */
  readonly serverUrl: () => Promise<string>;
};

export type StepResult = {
  readonly output: unknown;
  /** What it has stored. It counts from when the attempt does. */
  readonly artifacts?: readonly StoredArtifact[];
  readonly usage?: ModelUsage;
};

/** Runs one attempt. Rejects with `StepError` or `ModelRunnerError`; an aborted signal ends it soon. */
export type StepRunner = (context: StepContext) => Promise<StepResult>;
