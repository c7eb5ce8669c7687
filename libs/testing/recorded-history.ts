import type { GpuRecord } from '#libs/domain/gpu/gpu.js';
import type { TaskRecord } from '#libs/domain/task/task-book.js';
import { msOf } from '#libs/domain/time.js';
import { LogRecording, type Recording } from '#libs/simulation/backtest/log-recording.js';

/** The log of a site, as it was heard. */
export type HeardLog = { readonly tasks: TaskRecord[]; readonly leases: GpuRecord[] };

export const heardLog = () => {
  const log: HeardLog = { tasks: [], leases: [] };
  const heard = {
    task: (record: TaskRecord) => void log.tasks.push(record),
    lease: (record: GpuRecord) => void log.leases.push(record),
  };
  return { log, heard };
};

/** As a reader of the log would record it for a replay. */
export const recordingOf = ({ tasks, leases }: HeardLog, fromMs: number, toMs: number): Recording => {
  const recording = new LogRecording(fromMs, toMs);
  for (const record of tasks) recording.task({ ...record, atMs: msOf(timeOf(record.event)) });
  for (const record of leases) recording.lease({ ...record, atMs: msOf(timeOf(record.event)) });
  return recording.end();
};

/** When it was written; facts of a simulation have no other time than that which they tell. */
export const timeOf = (event: (TaskRecord | GpuRecord)['event']): string => {
  if ('at' in event) return event.at;
  return 'submittedAt' in event ? event.submittedAt : event.step.endedAt;
};
