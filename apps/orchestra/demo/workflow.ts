import type { TaskView } from '#libs/contracts/queries.js';
import type { Api } from '../client/api.js';
import { followTask } from '../client/follow-task.js';
import { decidedTask, isUndecided, taskAfter, type Submitted } from '../client/task-view.js';
import { tokenText } from '../commands/watch.js';
import type { Output } from '../output.js';

export type Named = { readonly name: string; readonly task: TaskView };

/** Enough to see tokens arrive, little enough for a CPU. */
const TOKENS_MAX = 48;

/** What a prompt and its answer need of the context window; more would only cost memory. */
const CONTEXT_TOKENS = 2048;

type Wanted = {
  readonly name: string;
  readonly prompt: string;
  readonly priority: number;
  readonly after?: readonly string[];
};

/** Three tasks, two priorities, one dependency. Shows tokens as they come, and answers with the ended tasks. */
export const runWorkflow = async (api: Api, model: string, out: Output): Promise<readonly Named[]> => {
  const submit = async ({ name, prompt, priority, after = [] }: Wanted): Promise<string> => {
    const body = {
      template: 'ollama-inference',
      parameters: { model, prompt, options: { num_predict: TOKENS_MAX, num_ctx: CONTEXT_TOKENS } },
      priority,
      depends_on: after,
      labels: { demo: name },
    };
    const submitted = await api.call<Submitted>('POST', '/api/v1/tasks', { body });
    const { id } = isUndecided(submitted) ? await decidedTask(api, submitted.id) : submitted;
    const place = after.length === 0 ? '' : ', after urgent';
    out.note(`submitted  ${name.padEnd(8)} ${id}  priority ${priority}${place}`);
    return id;
  };
  out.note('');
  // `urgent` goes before `relaxed` though it comes later, and `last` waits for `urgent`.
  const relaxed = await submit({ name: 'relaxed', prompt: 'Name three rivers of Europe.', priority: 3 });
  const urgent = await submit({
    name: 'urgent',
    prompt: 'Why is the sky blue? Answer in two sentences.',
    priority: 9,
  });
  const last = await submit({
    name: 'last',
    prompt: 'Say goodbye in a friendly way.',
    priority: 3,
    after: [urgent],
  });
  const ids = { relaxed, urgent, last };
  return await Promise.all(Object.entries(ids).map(([name, id]) => show(api, name, id, out)));
};

/** Tokens as they come under the name of their task; tasks that run at once share the lines. */
const show = async (api: Api, name: string, id: string, out: Output): Promise<Named> => {
  let midLine = false;
  let seq = 0;
  for await (const event of followTask(api, id)) {
    seq = Number(event.id ?? seq);
    if (event.event === 'step.dispatched') out.note(`\n${name} runs`, 'cyan');
    else if (event.event === 'token') out.noteText(tokenText(event.data));
    else if (event.event.startsWith('task.') && event.event !== 'task.submitted')
      out.note(`${midLine && !out.json ? '\n' : ''}${name} ${event.event.slice('task.'.length)}`, 'cyan');
    midLine = event.event === 'token';
  }
  return { name, task: await taskAfter(api, id, seq) };
};
