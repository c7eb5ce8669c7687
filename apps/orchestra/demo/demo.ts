import type { Command } from 'commander';
import { resolve } from 'node:path';
import type { TaskView } from '#libs/contracts/queries.js';
import { Api } from '../client/api.js';
import { followTask } from '../client/sse.js';
import { resultText, statusText } from '../commands/task-text.js';
import { CommandError, EXIT } from '../exit-codes.js';
import { defaultServers } from '../launch/default-servers.js';
import { startPlatform, type Platform } from '../launch/platform.js';
import type { Output } from '../output.js';
import { demoServer, type DemoServer } from './inference-server.js';
import { timeline } from './timeline.js';

/** A model on a slow CPU makes some ten tokens a second; what takes longer than this is stuck. */
const LIMIT_MS = 300_000;

/** Enough to see tokens arrive, little enough for a CPU. */
const TOKENS = 48;

/** `orchestra demo`: from nothing to three answered tasks, and everything stopped again. */
export const addDemoCommand = (program: Command, output: () => Output): void => {
  program
    .command('demo')
    .description('start everything, run three tasks, stop everything')
    .option('--data <dir>', 'data folder', 'data/demo')
    .action(async ({ data }: { readonly data: string }) => await demo(resolve(data), output()));
};

const demo = async (dataDir: string, out: Output): Promise<void> => {
  const say = (line: string): void => out.note(out.colour('dim', line));
  const server = await demoServer(process.env, (line) => out.note(line));
  let platform: Platform | null = null;
  const limit = setTimeout(() => {
    out.note(`The demo did not end within ${LIMIT_MS / 1000} s; see ${dataDir}/logs.`);
    process.exit(EXIT.failed);
  }, LIMIT_MS);
  try {
    const serversText = await defaultServers(server.url, process.env);
    const started = await startPlatform({
      dataDir,
      durability: 'power-safe',
      port: 0,
      servers: serversText,
      rewriteServers: true,
      env: process.env,
      say,
    });
    platform = started;
    await run(started, server, out);
  } finally {
    clearTimeout(limit);
    await platform?.stop();
    await server.stop();
    out.note('Everything is stopped.');
  }
};

type Named = { readonly name: string; readonly id: string };

const run = async (platform: Platform, server: DemoServer, out: Output): Promise<void> => {
  const api = new Api({ url: platform.apiUrl, apiKey: process.env['ORCHESTRA_API_KEY'] });
  const submitted = await submitThree(api, server.model);
  out.note('');
  for (const { name, id } of submitted) out.note(`submitted  ${name.padEnd(8)} ${id}`);
  await Promise.all(submitted.map((task) => showTokens(api, task, out)));
  const tasks = await Promise.all(
    submitted.map(async ({ name, id }) => ({
      name,
      task: await api.call<TaskView>('GET', `/api/v1/tasks/${id}`),
    })),
  );
  const summary = {
    api: platform.apiUrl,
    docs: `${platform.apiUrl}/docs`,
    data: platform.dataDir,
    server: { kind: server.kind, url: server.url, model: server.model },
    tasks: tasks.map(({ name, task }) => ({ name, ...task })),
  };
  out.show(summary, () => [
    '',
    ...timeline(tasks),
    '',
    ...tasks.flatMap(({ name, task }) => [
      `${name}  ${statusText(task.status, out)}  ${usageText(task)}`,
      `  ${resultText(task.result).replaceAll('\n', '\n  ')}`,
    ]),
    '',
    `API   ${platform.apiUrl}/api/v1   docs ${platform.apiUrl}/docs   (while it runs: npm start keeps it running)`,
    `Data  ${platform.dataDir}: every event of this run is there`,
  ]);
  const bad = tasks.filter(({ task }) => task.status !== 'completed');
  if (bad.length > 0)
    throw new CommandError(
      EXIT.taskFailed,
      bad.map(({ name, task }) => `${name}: ${task.error?.message ?? task.status}`).join('\n'),
    );
};

/** Two priorities, one dependency: `urgent` goes before `relaxed` though it comes later, `last` waits for `urgent`. */
const submitThree = async (api: Api, model: string): Promise<readonly Named[]> => {
  const submit = async (
    name: string,
    prompt: string,
    priority: number,
    dependsOn: readonly string[],
  ): Promise<Named> => {
    const parameters = { model, prompt, options: { num_predict: TOKENS, num_ctx: 2048 } };
    const body = {
      template: 'ollama-inference',
      parameters,
      priority,
      depends_on: dependsOn,
      labels: { demo: name },
    };
    const { id } = await api.call<{ readonly id: string }>('POST', '/api/v1/tasks', { body });
    return { name, id };
  };
  const relaxed = await submit('relaxed', 'Name three rivers of Europe.', 3, []);
  const urgent = await submit('urgent', 'Why is the sky blue? Answer in two sentences.', 9, []);
  const last = await submit('last', 'Say goodbye in a friendly way.', 5, [urgent.id]);
  return [relaxed, urgent, last];
};

/** Tokens as they come, each line under the name of its task: the tasks run one after the other, or at once where there are slots. */
const showTokens = async (api: Api, { name, id }: Named, out: Output): Promise<void> => {
  let begun = false;
  for await (const { event, data } of followTask(api, id)) {
    if (event === 'step.dispatched') out.note(out.colour('cyan', `\n${name} runs`));
    if (event === 'token' && !out.json) {
      process.stderr.write((data as { text: string }).text);
      begun = true;
    }
    if (event.startsWith('task.') && event !== 'task.submitted')
      out.note(`${begun ? '\n' : ''}${out.colour('cyan', `${name} ${event.slice(5)}`)}`);
  }
};

const usageText = ({ resource_usage: usage }: TaskView): string => {
  const speed =
    usage.generation_ms > 0
      ? ` at ${((usage.tokens_out / usage.generation_ms) * 1000).toFixed(0)} tokens/s`
      : '';
  return `${usage.tokens_in} tokens in, ${usage.tokens_out} out${speed}`;
};
