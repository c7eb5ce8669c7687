import { count, exactly, listOf, orNull, ref, text, time, type SchemaObject } from './schema-parts.js';

/** Its facts depend on its kind. */
const waitOf = (...kinds: readonly string[]): SchemaObject => ({
  type: 'object',
  properties: { kind: { type: 'string', enum: kinds } },
  required: ['kind'],
});

/** What the scheduler tells of the queue: what waits, and for what. */
export const explanations = {
  Explanation: exactly({
    id: text,
    status: {
      type: 'string',
      enum: ['open', 'completed', 'failed', 'cancelled', 'not_submitted'],
      description: '`open`: it has not ended. `not_submitted`: it was not there yet at that moment.',
    },
    as_of: time,
    as_of_seq: { ...count, description: 'Last event of the log that the scheduler counted.' },
    summary: text,
    moved: orNull(
      exactly({
        text: { ...text, description: 'Where somebody has put it, as a sentence.' },
        to: { type: 'string', enum: ['front', 'back', 'before', 'after'] },
        task: orNull(text),
        reason: text,
        by: text,
        at: time,
      }),
    ),
    steps: { type: 'array', items: ref('StepExplanation') },
    predictions: orNull(ref('Predictions')),
  }),
  StepExplanation: exactly({
    id: text,
    model: orNull(text),
    state: { type: 'string', enum: ['waiting', 'running', 'done', 'stopped', 'skipped', 'failed', 'each'] },
    text: { ...text, description: 'What follows "Step \'x\'" in a sentence.' },
    waits_for: orNull(
      waitOf(
        'ending',
        'paused',
        'run-at',
        'tasks',
        'end',
        'steps',
        'retry',
        'worker',
        'time',
        'answer',
        'task',
        'begin',
        'lease',
        'slot',
        'loading',
        'model',
      ),
    ),
    bound: orNull(
      exactly({
        start_by: {
          ...time,
          description: 'By when it starts at the latest, while servers stay and nothing is repeated.',
        },
        may_be_overtaken_ms: {
          ...count,
          description: 'For how much longer later work may be put before it.',
        },
      }),
    ),
    start: orNull(
      exactly({
        kind: {
          enum: ['probably', 'not-before'],
          description: '`not-before`: others have to be done first, and will not be sooner.',
        },
        at: { ...time, description: 'When it will probably start, from what is ready now.' },
      }),
    ),
  }),
  Predictions: {
    ...exactly({
      text,
      since: time,
      count,
      off_by_ms_median: count,
      off_by_ms_nine_of_ten: { ...count, description: 'Nine of ten were off by no more.' },
    }),
    description: 'How good predictions of starts have been: the first one of each step that had to wait.',
  },
  Queue: exactly({
    as_of: time,
    as_of_seq: { ...count, description: 'Last event of the log that the scheduler counted.' },
    open_tasks: { ...count, description: 'Those included of which nothing is ready to run.' },
    ready_steps: count,
    predictions: orNull(ref('Predictions')),
    paused: orNull(ref('Pause')),
    groups: {
      ...listOf('QueueGroup'),
      description: 'One for each model and its options, the first in line first.',
    },
    next: { ...listOf('QueuedStep'), description: 'In the order in which they go.' },
  }),
  PauseList: exactly({ items: listOf('Pause') }),
  Pause: exactly({ scope: text, reason: text, by: text, since: time }),
  QueueGroup: exactly({
    model: orNull(text),
    ready_steps: count,
    first: ref('QueuedStep'),
    text: { ...text, description: "What follows 'the first step' in a sentence." },
    waits_for: waitOf('slot', 'loading', 'model'),
  }),
  QueuedStep: exactly({
    task_id: text,
    step_id: text,
    model: orNull(text),
    priority: count,
    moved: { type: 'boolean', description: 'Whether somebody has put its task where it is.' },
    submitted_at: { ...time, description: 'Or when it was to run, where that is later.' },
    start_at: orNull({ ...time, description: 'When it will probably start.' }),
  }),
} satisfies Record<string, SchemaObject>;
