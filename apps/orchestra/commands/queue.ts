import type { Command } from 'commander';
import type { Pause } from '#libs/domain/task/pauses.js';
import { wholeNumber } from '../arguments.js';
import { columns } from '../output.js';
import type { Session } from '../session.js';

type Queued = {
  readonly task_id: string;
  readonly step_id: string;
  readonly model: string | null;
  readonly priority: number;
  readonly moved: boolean;
  readonly submitted_at: string;
  readonly start_at: string | null;
};
type Queue = {
  readonly open_tasks: number;
  readonly ready_steps: number;
  readonly paused: Pause | null;
  readonly predictions: { readonly text: string } | null;
  readonly groups: readonly {
    readonly model: string | null;
    readonly ready_steps: number;
    readonly text: string;
  }[];
  readonly next: readonly Queued[];
};

/** `orchestra queue`: what is ready to run, and what it waits for. */
export const addQueueCommand = (program: Command, session: () => Session): void => {
  program
    .command('queue')
    .description('what is ready to run: by model, what that waits for, and in which order it goes')
    .option('-n, --limit <n>', 'steps that are listed at most', wholeNumber(1, 1_000), 20)
    .action(async ({ limit }: { readonly limit: number }) => {
      const { api, out } = session();
      const queue = await api.call<Queue>('GET', '/api/v1/queue', { query: { limit } });
      out.show(queue, () => queueLines(queue, out));
    });
};

const queueLines = (queue: Queue, out: Session['out']): readonly string[] => {
  const { groups, next, paused, predictions, ready_steps: ready, open_tasks: open } = queue;
  const head =
    `${ready} steps are ready, of ${open} open tasks` +
    (paused === null ? '' : `; paused by ${paused.by} since ${paused.since}: ${paused.reason}`);
  if (ready === 0) return [head];
  return [
    head,
    ...groups.map(
      ({ model, ready_steps: size, text }) =>
        `  ${out.colour('bold', model ?? 'no model')}  ${size} ${size === 1 ? 'step' : 'steps'}; the first ${text}`,
    ),
    '',
    ...columns([
      ['TASK', 'STEP', 'PRIO', 'MODEL', 'SUBMITTED', 'PROBABLE START'],
      ...next.map((step) => [
        step.task_id,
        step.step_id,
        `${step.priority}${step.moved ? ' moved' : ''}`,
        step.model ?? '–',
        step.submitted_at,
        step.start_at ?? '–',
      ]),
    ]),
    ...(predictions === null ? [] : [predictions.text]),
    ...(next.length < ready ? [`and ${ready - next.length} more (--limit)`] : []),
  ];
};
