import type { GpuEvent } from '#libs/domain/gpu/events.js';
import { toldApart } from '#libs/domain/task/told-apart.js';
import type { TaskEvent, TaskSubmitted } from '#libs/domain/task/events.js';
import type { StepSpec } from '#libs/domain/task/step-spec.js';
import { gib, later, loaded, loadStarted, needsModel, profileOf, submitted } from './builders.js';
import { MODEL, TELLINGS } from './task-tellings.js';

/** What happened to many tasks, as the two truth streams tell it. */
export type Stories = { readonly tasks: readonly TaskEvent[]; readonly leases: readonly GpuEvent[] };

/** Numbers from 0 to 1, the same for the same seed (mulberry32). */
export const seeded = (seed: number): (() => number) => {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
};

const RESIDENCY = 'res-1';

/** `count` tasks with every kind of ending and of none, their facts shuffled together as a scheduler would write them. */
export const taskStories = (count: number, seed = 1): Stories => {
  const random = seeded(seed);
  const tellings = Array.from({ length: count }, (_, index) => tellingOf(index));
  const leases: GpuEvent[] = [
    loadStarted('gpu1', RESIDENCY, profileOf(MODEL)),
    loaded('gpu1', RESIDENCY, { vramBytes: gib(2) }),
  ];
  const tasks: TaskEvent[] = [];
  const open = tellings.map((facts) => ({ facts, told: 0 }));
  while (open.length > 0) {
    // Mostly the older ones go on, so that tasks overlap without all being open at once.
    const place = Math.floor(random() ** 2 * Math.min(open.length, 40));
    const one = open[place];
    const fact = one?.facts[one.told];
    if (!one || !fact) {
      open.splice(place, 1);
      continue;
    }
    one.told += 1;
    tasks.push(fact);
    leases.push(...toldApart(fact).flatMap(leasesOf));
  }
  return { tasks, leases };
};

const leasesOf = (fact: TaskEvent): readonly GpuEvent[] => {
  if (fact.type === 'step.dispatched') {
    const { leaseId } = fact.lease;
    const lease = {
      leaseId,
      taskId: fact.taskId,
      stepId: fact.stepId,
      attempt: fact.attempt,
      residencyId: RESIDENCY,
    };
    return [{ type: 'lease.granted', serverId: 'gpu1', leases: [lease], at: fact.at }];
  }
  if (fact.type === 'step.failed') {
    return [
      { type: 'lease.expired', serverId: 'gpu1', leaseIds: [fact.step.leaseId], ttlMs: 10_000, at: later(9) },
    ];
  }
  if ('step' in fact && fact.step) {
    return [{ type: 'lease.released', serverId: 'gpu1', leaseIds: [fact.step.leaseId], at: later(9) }];
  }
  return [];
};

const tellingOf = (index: number): readonly TaskEvent[] => {
  const taskId = `task-${index}`;
  const kind = TELLINGS[index % TELLINGS.length] ?? (() => []);
  const opening = (steps: readonly StepSpec[]): TaskSubmitted =>
    submitted({
      taskId,
      workspace: index % 3 === 0 ? 'lab' : 'home',
      template: { name: `template-${index % 4}`, version: 'v1' },
      parameters: { index, text: `it's "task" ${index}?` },
      priority: 1 + (index % 10),
      dependsOn: index % 7 === 6 ? [`task-${index - 1}`] : [],
      labels: { team: index % 2 === 0 ? 'red' : 'blue', slice: String(index % 5) },
      steps,
      submittedAt: later(index * 1000),
    });
  const at = later(index * 1000 + 500);
  const dispatch = (stepId: string, attempt = 1): TaskEvent => ({
    type: 'step.dispatched',
    taskId,
    stepId,
    stepType: 'ollama_generate',
    attempt,
    lease: { leaseId: leaseId(stepId, attempt), token: index, serverId: 'gpu1' },
    requirement: needsModel(MODEL),
    input: {},
    at,
  });
  const leaseId = (stepId: string, attempt: number): string => `${taskId}-${stepId}-${attempt}`;
  return kind({ taskId, at, opening, dispatch, leaseId });
};
