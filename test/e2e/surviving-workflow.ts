import type { ItemPage, TaskView } from '#libs/contracts/queries.js';
import type { WorkflowView } from '#libs/contracts/workflow-queries.js';
import { answerFor } from '#libs/testing/ollama-simulator/answer.js';
import { DEFAULT_CATALOGUE, type SimModel } from '#libs/testing/ollama-simulator/catalogue.js';
import { parseOptions, type RunOptions } from '#libs/testing/ollama-simulator/runner-options.js';
import { until } from './api-client.js';
import type { LoggedEvent } from './failure-rows.js';
import type { RunningPlatform } from './running-platform.js';

export const ITEMS = 1_000;
const MODEL = 'smollm2:135m';
const OPTIONS = { num_predict: 12 };

/** Three templates: a model call for each of a list, a question to a person, and a wait for a time. */
export const TEMPLATES = {
  'ask-each': `
name: ask-each
parameters: { questions: { type: array, required: true } }
steps:
  - id: ask
    type: ollama_generate
    foreach: '{{ parameters.questions }}'
    concurrency: 16
    with: { model: '${MODEL}', prompt: '{{ index }}: {{ item }}', options: ${JSON.stringify(OPTIONS)} }
output:
  count: '{{ steps.ask.output.completed }}'
  texts: "{{ steps.ask.output.items | map: 'text' }}"
`,
  'may-it': `
name: may-it
parameters: { count: { type: integer, required: true }, last: { type: string, required: true } }
steps:
  - id: review
    type: approval
    with:
      message: 'May these {{ parameters.count }} answers go on?'
      text: '{{ parameters.last }}'
      assignees: [ada]
  - id: tell
    type: transform
    with:
      value:
        decision: '{{ steps.review.output.decision }}'
        by: '{{ steps.review.output.by }}'
        comment: '{{ steps.review.output.comment }}'
        of: '{{ parameters.last }}'
`,
  'some-time-later': `
name: some-time-later
parameters:
  for: { type: string, required: true }
  by: { type: string, required: true }
  count: { type: integer, required: true }
steps:
  - { id: pause, type: delay, with: { for: '{{ parameters.for }}' } }
  - { id: tell, type: transform, with: { value: '{{ parameters.count }} answers, said {{ parameters.by }}' } }
`,
} as const;

const questions: readonly string[] = Array.from({ length: ITEMS }, (_, n) => `what is ${n} times ${n}?`);

/** What the simulated model says to each question; it depends on the question alone. */
export const expectedTexts: readonly string[] = questions.map((question, n) => {
  const model = DEFAULT_CATALOGUE.find(({ name }) => name === MODEL) as SimModel;
  const { tokens } = answerFor(model, `${n}: ${question}`, parseOptions(OPTIONS) as RunOptions, undefined);
  return tokens.join('');
});

/** The workflow whose later tasks take their parameters from the results of the earlier ones. */
const request = {
  name: 'survives',
  tasks: {
    ask: { template: 'ask-each', parameters: { questions } },
    review: {
      template: 'may-it',
      needs: ['ask'],
      parameters: {
        count: '{{ tasks.ask.result.count }}',
        last: `{{ tasks.ask.result.texts[${ITEMS - 1}] }}`,
      },
    },
    later: {
      template: 'some-time-later',
      needs: ['ask', 'review'],
      parameters: {
        for: '6s',
        by: '{{ tasks.review.result.by }}',
        count: '{{ tasks.ask.result.count }}',
      },
    },
  },
};

type Name = keyof (typeof request)['tasks'];

/** One run of the workflow, as a client sees it who asks again while nobody answers. */
export class SurvivingWorkflow {
  private constructor(
    private readonly platform: RunningPlatform,
    readonly id: string,
    private readonly taskIds: ReadonlyMap<string, string>,
  ) {}

  static async submit(platform: RunningPlatform, key: string): Promise<SurvivingWorkflow> {
    const headers = { 'content-type': 'application/json', 'idempotency-key': key };
    const body = JSON.stringify(request);
    const id = await until(async () => {
      const response = await fetch(`${platform.api.url}/api/v1/workflows`, { method: 'POST', headers, body });
      const answer = (await response.json()) as { readonly id?: string };
      if (response.status >= 500) return undefined;
      if (answer.id === undefined)
        throw new Error(`submission refused with ${response.status}: ${JSON.stringify(answer)}`);
      return answer.id;
    }, 'the workflow to be accepted');
    const { tasks } = await until(async () => {
      const { status, body: view } = await platform.api.call<WorkflowView>('GET', `/api/v1/workflows/${id}`);
      return status === 200 ? view : undefined;
    }, 'the workflow to be shown');
    return new SurvivingWorkflow(platform, id, new Map(tasks.map((task) => [task.name, task.id])));
  }

  idOf(name: Name): string {
    return this.taskIds.get(name) ?? '';
  }

  async view(): Promise<WorkflowView> {
    return (await this.platform.api.call<WorkflowView>('GET', `/api/v1/workflows/${this.id}`)).body;
  }

  async task(name: Name): Promise<TaskView> {
    return await until(async () => await this.platform.api.task(this.idOf(name)), `${name} to be shown`);
  }

  /** So many more items are done than when this was called. */
  async itemsGoOn(count: number): Promise<void> {
    const done = async () => (await this.task('ask')).steps[0]?.items?.completed ?? 0;
    const before = await done();
    await until(async () => ((await done()) >= before + count ? true : undefined), `${count} more items`);
  }

  async waits(name: Name): Promise<void> {
    await until(
      async () => ((await this.task(name)).status === 'waiting' ? true : undefined),
      `${name} to wait`,
    );
  }

  /** One answer to the question, sent until it is taken or refused. Resolves with the status. */
  async answer(by: string, comment: string): Promise<number> {
    const path = `/api/v1/tasks/${this.idOf('review')}/steps/review/answer`;
    return await until(async () => {
      const { status } = await this.platform.api.call('POST', path, { by, comment, decision: 'approve' });
      return status === 200 || status === 409 ? status : undefined;
    }, `the answer of ${by} to be taken or refused`);
  }

  async ended(): Promise<WorkflowView> {
    return await until(async () => {
      const view = await this.view();
      return view.ended_at === null ? undefined : view;
    }, 'the workflow to end');
  }

  async items(): Promise<readonly ItemPage['items'][number][]> {
    const found: ItemPage['items'][number][] = [];
    for (let after = ''; ;) {
      const path = `/api/v1/tasks/${this.idOf('ask')}/steps/ask/items?page_size=200${after}`;
      const { body } = await this.platform.api.call<ItemPage>('GET', path);
      found.push(...body.items);
      if (body.next === null) return found;
      after = `&after=${body.next}`;
    }
  }

  /** All that is shown of it. */
  async shown(): Promise<object> {
    const names = Object.keys(request.tasks) as Name[];
    const tasks = await Promise.all(names.map(async (name) => await this.task(name)));
    return { workflow: await this.view(), tasks, items: await this.items() };
  }
}

/** Ids of the steps that a fact says are done: also the one that ends its task. */
export const stepsDone = (events: readonly LoggedEvent[]): readonly string[] =>
  events
    .filter(({ type }) => type === 'step.completed' || type === 'task.completed')
    .flatMap(({ data }) => (data['step'] as { readonly stepId: string } | undefined)?.stepId ?? []);
