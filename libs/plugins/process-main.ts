/**
 * What runs in the process of a plugin: imports its module, describes or runs one of its steps, and says how that ended. It imports nothing
 * of this program, so that it starts fast and a plugin finds nothing of it.
 */
import { Worker } from 'node:worker_threads';

type Step = Readonly<Record<string, unknown>> & { readonly run: (context: object) => unknown };

type Task =
  | { readonly kind: 'describe'; readonly module: string }
  | {
      readonly kind: 'run';
      readonly module: string;
      readonly name: string;
      readonly outputMaxBytes: number;
      readonly messagesMax: number;
      readonly context: Readonly<Record<string, unknown>>;
    };

const say = (message: object): void => void process.send?.(message);

const stepsOf = (exported: unknown): readonly Step[] => {
  if (exported === undefined)
    throw new Error('the module has no default export; expected {name, version, run}, or a list of such');
  const steps: readonly unknown[] = Array.isArray(exported) ? exported : [exported];
  return steps.map((step, n) =>
    stepOf(step, Array.isArray(exported) ? `item ${n} of the default export` : 'the default export'),
  );
};

const stepOf = (step: unknown, place: string): Step => {
  if (typeof step !== 'object' || step === null || Array.isArray(step))
    throw new Error(`${place} is no step but ${kindOf(step)}; expected an object {name, version, run}`);
  const { name, run } = step as Partial<Record<'name' | 'run', unknown>>;
  if (typeof run === 'function') return step as Step;
  const named = typeof name === 'string' ? ` ('${name.slice(0, 100)}')` : '';
  const wrong = run === undefined ? 'has no run' : `has a run that is ${kindOf(run)}`;
  throw new Error(`${place}${named} ${wrong}; expected a function, run({ input, … })`);
};

const kindOf = (value: unknown): string => {
  if (Array.isArray(value)) return 'a list';
  return value === null || value === undefined ? String(value) : `of type ${typeof value}`;
};

const sentence = (value: unknown): string => {
  try {
    return (typeof value === 'string' ? value : (JSON.stringify(value) ?? String(value))).slice(0, 2_000);
  } catch {
    return String(value).slice(0, 2_000);
  }
};

const messageOf = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error)).slice(0, 2_000);

/** An output that is not plain data, or too much of it, is the plugin's mistake; it must not become the executor's trouble. */
const sayOutput = (output: unknown, maxBytes: number): void => {
  let text: string | undefined;
  try {
    text = output === undefined ? 'null' : JSON.stringify(output);
  } catch (error) {
    return say({ kind: 'unserialisable', message: messageOf(error) });
  }
  if (text === undefined) return say({ kind: 'unserialisable', message: `it is a ${typeof output}` });
  const bytes = Buffer.byteLength(text);
  if (bytes > maxBytes) return say({ kind: 'too-large', bytes });
  say({ kind: 'completed', text });
};

const run = async (task: Task & { readonly kind: 'run' }, step: Step): Promise<void> => {
  const abort = new AbortController();
  process.on('message', ({ kind }: { readonly kind: string }) => {
    if (kind === 'abort') abort.abort();
  });
  // A step that waits for nothing any more ends here, and not when its time is over. One that looks at `signal` may wait for that alone.
  process.channel?.unref();
  process.once('beforeExit', () =>
    say({
      kind: 'crashed',
      message:
        "its run ended before it had a result: it waits for what cannot come any more (no timer, no socket, no use of 'signal' is left)",
    }),
  );
  let said = 0;
  /** A loop that talks must not bury the executor. */
  const tell = (message: object): void => {
    said += 1;
    if (said <= task.messagesMax) say(message);
  };
  const context = {
    ...task.context,
    get signal(): AbortSignal {
      process.channel?.ref();
      return abort.signal;
    },
    log: (message: unknown) => tell({ kind: 'log', message: sentence(message) }),
    progress: (message: unknown, completed?: unknown, total?: unknown) =>
      tell({
        kind: 'progress',
        message: sentence(message),
        ...(typeof completed === 'number' ? { completed } : {}),
        ...(typeof total === 'number' ? { total } : {}),
      }),
  };
  try {
    sayOutput(await step.run(context), task.outputMaxBytes);
  } catch (error) {
    const retry = (error as { readonly retry?: unknown } | null)?.retry !== false;
    say({ kind: 'failed', message: messageOf(error), retry });
  }
};

/** An endless loop hears nothing; the watch has a thread of its own, and ends what is left of an executor that died. */
const watchParent = (): void => {
  const watch = `const { workerData } = require('node:worker_threads');
    setInterval(() => process.ppid === workerData || process.kill(process.pid, 'SIGKILL'), 1000);`;
  new Worker(watch, { eval: true, workerData: process.ppid, env: {} }).unref();
};

process.once('disconnect', () => process.exit());
process.once('uncaughtException', (error: unknown) => {
  say({ kind: 'crashed', message: messageOf(error) });
  process.exitCode = 1;
  process.disconnect();
});
watchParent();
const task = await new Promise<Task>((resolve) =>
  process.once('message', (message) => resolve(message as Task)),
);
const steps = stepsOf(((await import(task.module)) as { readonly default?: unknown }).default);
if (task.kind === 'describe') {
  say({ kind: 'described', text: JSON.stringify(steps.map(({ run: _run, ...manifest }) => manifest)) });
} else {
  const step = steps.find(({ name }) => name === task.name);
  if (step === undefined) throw new Error(`the module has no step '${task.name}' any more`);
  await run(task, step);
}
