import type { NatsConnection } from '@nats-io/transport-node';
import {
  HELLO_EVERY_MS,
  PLUGIN_LIMITS,
  PLUGIN_SUBJECTS,
  type PluginHello,
  type UnusablePlugins,
} from '#libs/contracts/plugin-wire.js';
import { findPlugins, type FoundPlugins } from '#libs/plugins/find-plugins.js';
import { hearWorkers } from '#libs/plugins/hear-workers.js';
import type { Clock } from '#libs/runtime/clock.js';
import type { Logger } from '#libs/runtime/logger.js';
import type { ExecutorConfig } from '../executor.config.js';
import type { StepRunner } from '../step-runner.js';
import { pluginStep } from './plugin-steps.js';
import { WireRuns } from './wire-runs.js';

export type Plugins = {
  readonly step: StepRunner;
  readonly problems: readonly string[];
  /** Says to everybody that this executor serves its own step types. Once a call, then until `stop`. */
  readonly announce: () => void;
  readonly stop: () => void;
};

type Parts = { readonly connection: NatsConnection; readonly instance: string; readonly clock: Clock };

/** Slots of CPU are the allocator's to count; this is what a hello may say at most. */
const SLOTS = 1_000;

/** Loads step types of others, and listens for workers that serve more of them. */
export const startPlugins = async (
  parts: Parts,
  config: ExecutorConfig,
  logger: Logger,
): Promise<Plugins> => {
  const { connection, instance, clock } = parts;
  const found = await findPlugins({
    folder: config.pluginsDir,
    packages: config.pluginPackages?.split(',') ?? [],
  });
  for (const problem of found.problems) logger.warn({ problem }, 'a plugin cannot be used');
  for (const [type, { checked, module }] of found.plugins)
    logger.info(
      { type, version: checked.manifest.version, module, warnings: checked.warnings },
      'plugin loaded',
    );
  const directory = hearWorkers(connection, clock.nowMs, {
    answered: true,
    changed: () => wire.heard(),
    refused: ({ by, problem }) => logger.warn({ by, problem }, 'a worker of a step type is refused'),
  });
  const wire = new WireRuns({ connection, directory, clock });
  const say = (more: Partial<PluginHello>): void => sayHellos(connection, instance, found, more);
  const unusable = unusableText(instance, found.problems);
  let timer: NodeJS.Timeout | undefined;
  return {
    step: pluginStep({
      found: found.plugins,
      wire,
      memoryMaxBytes: config.pluginMemoryMaxBytes,
      timeoutMs: config.pluginTimeoutMs,
      outputMaxBytes: config.outputMaxBytes,
    }),
    problems: found.problems,
    announce: () => {
      const announce = (): void => {
        say({});
        connection.publish(PLUGIN_SUBJECTS.unusable, unusable);
      };
      announce();
      timer ??= setInterval(announce, HELLO_EVERY_MS);
    },
    stop: () => {
      clearInterval(timer);
      say({ bye: true });
    },
  };
};

const sayHellos = (
  connection: NatsConnection,
  instance: string,
  { plugins }: FoundPlugins,
  more: Partial<PluginHello>,
): void => {
  for (const [type, { checked }] of plugins) {
    const hello: PluginHello = {
      worker: instance,
      manifest: checked.manifest,
      slots: SLOTS,
      inProcess: true,
      ...more,
    };
    connection.publish(PLUGIN_SUBJECTS.hello(type), JSON.stringify(hello));
  }
};

const unusableText = (executor: string, problems: readonly string[]): string => {
  const { problems: max, messageChars } = PLUGIN_LIMITS;
  const told = problems.slice(0, max).map((problem) => problem.slice(0, messageChars));
  const more = problems.length > max ? [`${problems.length - max} more; its log has them`] : [];
  return JSON.stringify({ executor, problems: [...told, ...more] } satisfies UnusablePlugins);
};
