import type { Command } from 'commander';
import type { TaskView } from '#libs/contracts/queries.js';
import { Api } from '../client/api.js';
import { durationText, resultText, statusText } from '../commands/task-text.js';
import { CommandError, EXIT } from '../exit-codes.js';
import { defaultServers } from '../launch/default-servers.js';
import { startPlatform, type Platform } from '../launch/platform.js';
import { freePortNear } from '../launch/ports.js';
import type { Output } from '../output.js';
import { stopSignal } from '../stop-signal.js';
import { demoServer, type DemoServer } from './inference-server.js';
import { modelLoads } from './model-loads.js';
import { timeline } from './timeline.js';
import { runWorkflow } from './workflow.js';

/** A model on a busy CPU makes some two tokens a second; what takes longer than this is stuck. */
const LIMIT_MS = 600_000;

/** Where the API is looked for first; the demo runs beside a platform that has it. */
const API_PORT = 8000;

/** `orchestra demo`: from nothing to three answered tasks, and everything stopped again. */
export const addDemoCommand = (program: Command, output: () => Output): void => {
  program
    .command('demo')
    .description('start everything, run three tasks, stop everything')
    .option('--data <dir>', 'data folder', 'data/demo')
    .action(async ({ data }: { readonly data: string }) => await demo(data, output()));
};

const demo = async (dataDir: string, out: Output): Promise<void> => {
  const ended = new AbortController();
  const limit = setTimeout(() => {
    const message = `The demo did not end within ${LIMIT_MS / 1000} s; see ${dataDir}/logs.`;
    ended.abort(new CommandError(EXIT.failed, message));
  }, LIMIT_MS);
  void stopSignal().then(() => ended.abort(new CommandError(EXIT.interrupted, 'interrupted')));
  const undo: (() => Promise<void>)[] = [];
  try {
    const server = await demoServer(process.env, (line) => out.note(line));
    undo.push(server.stop);
    const platform = await orNotStarted(ended.signal, () => start(dataDir, server, ended.signal, out));
    undo.push(platform.stop);
    await orNotStarted(ended.signal, platform.waitReady);
    await Promise.race([run(platform, server, out), whenAborted(ended.signal)]);
  } finally {
    clearTimeout(limit);
    for (let next = undo.pop(); next !== undefined; next = undo.pop()) await next();
    out.note('Everything is stopped.');
  }
};

const whenAborted = (signal: AbortSignal): Promise<never> =>
  new Promise((_, reject) => {
    const fail = (): void => reject(signal.reason as Error);
    if (signal.aborted) fail();
    signal.addEventListener('abort', fail, { once: true });
  });

const start = async (
  dataDir: string,
  server: DemoServer,
  signal: AbortSignal,
  out: Output,
): Promise<Platform> => {
  // A database of the user's own belongs to another log than the demo's.
  const { ORCHESTRA_DATABASE_URL: _, ...env } = process.env;
  return await startPlatform({
    dataDir,
    durability: 'power-safe',
    port: await freePortNear(API_PORT),
    servers: await defaultServers(server.url, env),
    rewriteServers: true,
    env,
    say: (line) => out.note(line, 'dim'),
    signal,
  });
};

/** What goes wrong before everything runs is a sentence, unless it was given up by us. */
const orNotStarted = async <T>(signal: AbortSignal, starting: () => Promise<T>): Promise<T> => {
  try {
    return await starting();
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    throw new CommandError(EXIT.notStarted, (error as Error).message);
  }
};

const run = async (platform: Platform, server: DemoServer, out: Output): Promise<void> => {
  const api = new Api({ url: platform.apiUrl, apiKey: process.env['ORCHESTRA_API_KEY'] || undefined });
  const tasks = await runWorkflow(api, server.model, out);
  const loads = await modelLoads(platform, tasks[0]?.task.created_at ?? '');
  const { apiUrl, dataDir } = platform;
  const summary = {
    api: apiUrl,
    docs: `${apiUrl}/docs`,
    data: dataDir,
    server: { kind: server.kind, url: server.url, model: server.model },
    model_loads: loads.map(({ fromMs, toMs }) => ({ from: new Date(fromMs), to: new Date(toMs) })),
    tasks: tasks.map(({ name, task }) => ({ name, ...task })),
  };
  out.show(summary, () => [
    '',
    ...timeline(tasks, loads),
    ...tasks.flatMap(({ name, task }) => [
      '',
      `${out.colour('bold', name)}  ${statusText(task.status, out)}  ${usageText(task)}`,
      `  ${resultText(task.result).replaceAll('\n', '\n  ')}`,
    ]),
    '',
    `API   ${apiUrl}/api/v1, its pages ${apiUrl}/docs (until now; npm start keeps them)`,
    `Data  ${dataDir}: every event of this run is there`,
  ]);
  const bad = tasks.filter(({ task }) => task.status !== 'completed');
  if (bad.length > 0)
    throw new CommandError(
      EXIT.taskFailed,
      bad.map(({ name, task }) => `${name}: ${task.error?.message ?? task.status}`).join('\n'),
    );
};

const usageText = ({ resource_usage: usage }: TaskView): string => {
  const { tokens_in: tokensIn, tokens_out: tokensOut, load_ms, prompt_ms, generation_ms } = usage;
  const speed = generation_ms > 0 ? ` at ${((tokensOut / generation_ms) * 1000).toFixed(0)} tokens/s` : '';
  const vram = usage.vram_bytes_max ? `, ${(usage.vram_bytes_max / 2 ** 20).toFixed(0)} MiB of VRAM` : '';
  return (
    `${usage.models.join(', ')}: load ${durationText(load_ms)}, ${tokensIn} tokens read in ${durationText(prompt_ms)}, ` +
    `${tokensOut} written in ${durationText(generation_ms)}${speed}${vram}`
  );
};
