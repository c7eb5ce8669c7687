/**
 * How work is offered, to both sides alike. `end-to-end`: each lane waits for the result of its task before it submits the
 * next, so `lanes` tasks are under way at once. `queued`: a lane submits the next as soon as the one before is accepted, so the queue
 * fills up and only the rate counts.
 */
export type Load = {
  readonly kind: 'end-to-end' | 'queued';
  readonly count: number;
  readonly lanes: number;
};

export type LoadRun = {
  /** From the first submission to the last completion. */
  readonly seconds: number;
  /** Submission to start of each task, as two clocks of one machine say. */
  readonly waitsMs: readonly number[];
};
