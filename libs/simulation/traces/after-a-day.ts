import { workMsOf } from './shapes.js';
import type { TraceMaker } from './traces.js';
import type { SimTask, Trace } from '../trace.js';

/** Tasks of the day before. */
const BEFORE = 'before-';

/** Long enough for the work of the day before to be done on any machine. */
const NIGHTS = 5;

/**
 * The same workload twice, with another seed first and so long before that nothing of it is left: what a site that has run before
 * has learned of its models is known.
 */
export const afterADay =
  (make: TraceMaker): TraceMaker =>
  (hardware, seed): Trace => {
    const [before, trace] = [make(hardware, seed + 1_000), make(hardware, seed)];
    const lastMs = before.tasks.at(-1)?.atMs ?? 0;
    const offsetMs = lastMs + NIGHTS * Math.ceil(workMsOf(before.tasks, before.models, hardware));
    const shifted = (task: SimTask): SimTask => ({
      ...task,
      atMs: task.atMs + offsetMs,
      deadlineMs: task.deadlineMs === null ? null : task.deadlineMs + offsetMs,
    });
    const earlier = (task: SimTask): SimTask => ({
      ...task,
      id: `${BEFORE}${task.id}`,
      after: task.after.map((id) => `${BEFORE}${id}`),
    });
    return { ...trace, tasks: [...before.tasks.map(earlier), ...trace.tasks.map(shifted)] };
  };

export const isOfTheDayBefore = ({ id }: Pick<SimTask, 'id'>): boolean => id.startsWith(BEFORE);
