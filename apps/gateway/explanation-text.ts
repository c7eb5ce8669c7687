import type { StartBound, StepExplanation, Wait } from '#libs/domain/policy/explain.js';
import type { ProbableStart } from '#libs/domain/policy/probable-starts.js';
import type { PlaceView, Position, ServerVerdict } from '#libs/domain/policy/ready-wait.js';
import type { Moved } from '#libs/domain/task/move-events.js';
import type { Pause } from '#libs/domain/task/pauses.js';
import type { PredictionRecord } from '#libs/domain/task/prediction-errors.js';
import type { Obstacle } from '#libs/domain/policy/server-verdict.js';

/** What follows "Step 'x'" in a sentence about where it is. */
export const stepText = (step: StepExplanation): string => {
  switch (step.state) {
    case 'done':
      return 'is done';
    case 'stopped':
      return step.begun ? 'was stopped' : 'did not begin before the task came to its end';
    case 'skipped':
      return 'was left out: its condition is false';
    case 'failed':
      return `has failed, and the task ${step.ends ? 'has come to its end by it' : 'goes on without it'} (${step.failure.code}: ${step.failure.message})`;
    case 'each': {
      const { total, completed, failed, open } = step.items;
      const text = failed === 0 ? '' : `, ${failed} have failed`;
      return `has ${completed} of ${total} items done${text}, and ${open} under way`;
    }
    case 'running':
      return `runs on ${step.serverId} since ${clockTime(Date.parse(step.since))} (attempt ${step.attempt})`;
    case 'waiting':
      return `${waitText(step.wait, step.model)}${startText(step.start, step.bound)}`;
  }
};

const startText = (start: ProbableStart | undefined, bound: StartBound | undefined): string => {
  const latest = bound && `by ${dateTime(bound.startByMs)} at the latest`;
  if (start === undefined) return latest === undefined ? '' : `; it starts ${latest}`;
  const how = start.kind === 'probably' ? 'probably at' : 'probably not before';
  return `; it starts ${how} ${dateTime(start.atMs)}${latest === undefined ? '' : `, and ${latest}`}`;
};

/** How good predictions have been, as a sentence. */
export const predictionsText = ({ count, sinceMs, medianMs, nineOfTenMs }: PredictionRecord): string =>
  `Predictions since ${dateTime(sinceMs)} were off by ${spanText(medianMs)} in the middle, 9 of 10 by no more than ${spanText(nineOfTenMs)} (n = ${count}).`;

/** `0.4 s`, `20 s`, `1 min 40 s`, `2 h 5 min`. */
const spanText = (ms: number): string => {
  if (ms < 10_000) return `${(Math.round(ms / 100) / 10).toFixed(1)} s`;
  const seconds = Math.round(ms / 1_000);
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  return minutes < 60
    ? `${minutes} min ${seconds % 60} s`
    : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
};

export const waitText = (wait: Wait, model: string | null): string => {
  switch (wait.kind) {
    case 'ending':
      return `does not start any more: the task ${wait.how === 'cancelled' ? 'is being cancelled' : 'has failed'}`;
    case 'paused':
      return `is held back: ${pauseText(wait.pause)}`;
    case 'run-at':
      return `is not to run before ${dateTime(wait.atMs)}`;
    case 'tasks':
      return `waits for ${tasksText(wait.taskIds, wait.names)}`;
    case 'end':
      return `runs at the end of the task, when ${wait.stepIds.map((id) => `'${id}'`).join(', ')} ${wait.stepIds.length === 1 ? 'has' : 'have'} ended`;
    case 'steps':
      return `waits for ${wait.stepIds.map((id) => `'${id}'`).join(', ')}${wait.conditional ? '; then its condition says whether it runs' : ''}`;
    case 'retry':
      return `is tried again (attempt ${wait.attempt}) at ${clockTime(wait.atMs)}`;
    case 'worker':
      return `waits for a worker of step type ${wait.stepType}; none is registered`;
    case 'time':
      return `waits until ${dateTime(wait.untilMs)}, since ${clockTime(wait.sinceMs)}`;
    case 'answer':
      return answerText(wait);
    case 'task':
      return childText(wait);
    case 'begin':
      return BEGINS[wait.of];
    case 'lease':
      return 'is about to start: a slot was found for it';
    case 'slot':
      return `${slotText(wait.places, model)}${aheadText(wait.position, model)}`;
    case 'loading':
      return `waits for ${model}, which is being loaded on ${wait.serverId} since ${clockTime(Date.parse(wait.since))}${aheadText(wait.position, model)}`;
    case 'model':
      return `${modelText(wait.servers, model)}${aheadText(wait.position, model)}`;
  }
};

const BEGINS = {
  delay: 'is about to wait',
  approval: 'is about to ask',
  human_input: 'is about to ask',
  task: 'is about to submit its task',
} as const;

const childText = ({ taskId, template, untilMs, endsAtMs, step }: ChildWait): string => {
  const which = step === null ? '' : `, whose step '${step.stepId}' ${stepText(step)}`;
  const until = untilMs === null ? '' : `; it is cancelled at ${dateTime(untilMs)} if it has not ended`;
  const ends = endsAtMs === null ? '' : `; it ends probably at ${dateTime(endsAtMs)}`;
  return `waits for task ${taskId} (${template})${which}${ends}${until}`;
};

type ChildWait = Extract<Wait, { readonly kind: 'task' }>;

const answerText = ({ asks, assignees, sinceMs, untilMs, reminders, escalated }: AnswerWait): string => {
  const whom = assignees.length === 0 ? 'somebody' : assignees.join(', ');
  const what = asks === 'approval' ? 'to approve' : 'to fill in its form';
  const until = untilMs === null ? '' : `, until ${dateTime(untilMs)}`;
  const again = reminders === 0 ? '' : `; asked again ${reminders} ${reminders === 1 ? 'time' : 'times'}`;
  return `waits for ${whom} ${what}, since ${dateTime(sinceMs)}${until}${again}${escalated ? '; others were asked too' : ''}`;
};

type AnswerWait = Extract<Wait, { readonly kind: 'answer' }>;

/** A sentence: where somebody has put a task. */
export const movedText = ({ to, by, at, reason }: Omit<Moved, 'place'>): string => {
  const where = 'taskId' in to ? `${to.kind} ${to.taskId}` : `to the ${to.kind}`;
  return `It was moved ${where} by ${by} at ${dateTime(Date.parse(at))} (${reason}).`;
};

export const pauseText = ({ scope, by, since, reason }: Pause): string =>
  `${scope === 'queue' ? 'the queue' : scope.replace(':', ' ')} is paused by ${by} since ${dateTime(Date.parse(since))} (${reason})`;

/** Tasks that a sentence names. */
const TASKS_NAMED_MAX = 10;

/** Of a workflow, whose tasks have names: `tasks 'draft' (0198…), 'facts' (0198…)`. */
const tasksText = (taskIds: readonly string[], names: readonly string[]): string => {
  const named = taskIds
    .slice(0, TASKS_NAMED_MAX)
    .map((taskId, place) => (names[place] === undefined ? taskId : `'${names[place]}' (${taskId})`));
  const more = taskIds.length - named.length;
  return `${taskIds.length === 1 ? 'task' : 'tasks'} ${named.join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
};

const slotText = (places: readonly PlaceView[], model: string | null): string => {
  if (places.length === 0) return 'waits for a CPU slot, and there is no server with one';
  const free = places.find(({ busy, slots, makesRoomFor }) => busy < slots && makesRoomFor === null);
  if (free) {
    const count = free.slots - free.busy;
    const text = `${count} of ${free.slots} slots ${count === 1 ? 'is' : 'are'} free`;
    return `is about to be placed on ${free.serverId}, where ${text}`;
  }
  const parts = places.map(({ serverId, busy, slots, makesRoomFor, holders }) => {
    const taken = `${busy} of ${slots} slots are taken${holdersText(holders)}`;
    return makesRoomFor === null
      ? `on ${serverId} ${taken}`
      : `on ${serverId} nothing new starts, because it makes room for ${makesRoomFor}`;
  });
  return `waits for a ${model === null ? 'CPU slot' : `slot of ${model}`}: ${parts.join('; ')}`;
};

/** Holders that a sentence names. */
const NAMED_MAX = 3;

const holdersText = (holders: PlaceView['holders']): string => {
  if (holders.length === 0) return '';
  const named = holders.slice(0, NAMED_MAX).map(({ taskId }) => taskId);
  return ` (by ${named.join(', ')}${holders.length > NAMED_MAX ? ' and others' : ''})`;
};

const modelText = (servers: readonly ServerVerdict[], model: string | null): string => {
  if (servers.length === 0) return `needs ${model}, and no inference server is configured`;
  const verdicts = servers.map(({ serverId, verdict }) => `${serverId} ${verdictText(verdict)}`);
  return `waits for ${model}, which no server holds: ${verdicts.join('; ')}`;
};

const verdictText = (verdict: ServerVerdict['verdict']): string => {
  if (verdict.may === 'asked') return 'was asked to load it';
  if (!verdict.may) return obstacleText(verdict.obstacle);
  if (verdict.drain !== null) return 'makes room once what runs there has ended';
  return verdict.evict.length === 0
    ? 'has room and is next'
    : `is next, in place of ${verdict.evict.length} that nobody waits for`;
};

const obstacleText = (obstacle: Obstacle): string => {
  switch (obstacle.kind) {
    case 'not-up':
      return `is ${obstacle.state}`;
    case 'other-load':
      return `is ${obstacle.state} ${obstacle.model}`;
    case 'load-failed': {
      const { failure, againAtMs } = obstacle;
      const again = againAtMs === null ? 'is not asked again' : `is asked again at ${clockTime(againAtMs)}`;
      return `could not load it (${failure.code}: ${failure.message}) and ${again}`;
    }
    case 'too-large':
      return `is too small: it needs ${gib(obstacle.needBytes)} of ${gib(obstacle.vramBytes)}`;
    case 'in-use':
      return `keeps ${obstacle.model}, whose work goes first or whose turn lasts until ${clockTime(obstacle.turnUntilMs)}`;
    case 'gathering':
      return `keeps ${obstacle.model}, which has no work now but may have again soon, until ${clockTime(obstacle.untilMs)} or until more waits for this one`;
    case 'foreign':
      return `has no room beside ${obstacle.models.map(({ model }) => model).join(', ')}, which others have loaded`;
  }
};

const aheadText = ({ ahead, aheadOfSame }: Position, model: string | null): string => {
  if (ahead === 0) return '; it is first in line';
  const same = model === null ? '' : `, ${aheadOfSame} of them for the same model`;
  return `; ${ahead} ${ahead === 1 ? 'step goes' : 'steps go'} first${same}`;
};

const clockTime = (atMs: number): string => `${new Date(atMs).toISOString().slice(11, 19)} UTC`;

const dateTime = (atMs: number): string => `${new Date(atMs).toISOString().slice(0, 19)}Z`;

const gib = (bytes: number): string => `${(bytes / 1024 ** 3).toFixed(1)} GiB`;
