import type { Command } from 'commander';
import { readFile, realpath } from 'node:fs/promises';
import { pathToFileURL } from 'node:url';
import { letWorkersIn, pluginPassword } from '#libs/broker/plugin-credentials.js';
import { describeModule } from '#libs/plugins/find-plugins.js';
import { runPlugin } from '#libs/plugins/run-plugin.js';
import { optionWithEnv } from '../arguments.js';
import { CommandError, EXIT } from '../exit-codes.js';
import { brokerConfigIn, brokerUrlFileIn } from '../launch/broker-for.js';
import { brokersOn } from '../launch/left-broker.js';
import type { Output } from '../output.js';
import type { Session } from '../session.js';

type Plugin = {
  readonly name: string;
  readonly version: string;
  readonly description: string;
  readonly needs: string;
  readonly workers: readonly {
    readonly id: string;
    readonly version: string;
    readonly in_process: boolean;
    readonly slots: number;
    readonly runs: number;
  }[];
};

export type PluginList = {
  readonly items: readonly Plugin[];
  readonly problems: readonly { readonly by: string; readonly problem: string }[];
};

/** What cannot be used, for people. */
export const showPluginProblems = ({ problems }: PluginList, out: Output): void => {
  for (const { by, problem } of problems) out.note(`cannot be used (${by}): ${problem}`, 'yellow');
};

/** `orchestra plugins`, and what authors of step types need. */
export const addPluginCommands = (program: Command, session: () => Session): void => {
  const plugins = program.command('plugins').description('step types of your own');
  plugins
    .command('list', { isDefault: true })
    .description('step types of your own, the workers that serve them now, and what cannot be used')
    .action(async () => {
      const { api, out } = session();
      const list = await api.call<PluginList>('GET', '/api/v1/plugins');
      out.show(list, () => list.items.flatMap(pluginLines));
      if (!out.json) showPluginProblems(list, out);
    });
  addCredentials(plugins, session);
  addCheck(plugins, session);
};

const pluginLines = ({ name, version, needs, description, workers }: Plugin): readonly string[] => [
  `${name}  ${version}  ${needs}  ${description}`.trimEnd(),
  ...workers.map((worker) =>
    worker.in_process
      ? `  ${worker.id}  in the executor`
      : `  ${worker.id}  ${worker.version}  ${worker.runs} of ${worker.slots} slots busy`,
  ),
];

type CredentialsOptions = { readonly data: string; readonly renew?: boolean };

const addCredentials = (plugins: Command, session: () => Session): void => {
  plugins
    .command('credentials')
    .description('the address with which workers of a step type, and of no other, sign in at the broker')
    .argument('<type>', 'such as acme.word_count')
    .addOption(
      optionWithEnv('--data <dir>', 'data folder of the platform', 'ORCHESTRA_DATA_DIR').default('data'),
    )
    .option('--renew', 'another password; workers with the one before are sent away')
    .action(async (type: string, { data, renew }: CredentialsOptions) => {
      const { out } = session();
      const folder = await realpath(data).catch(() => undefined);
      const address =
        folder === undefined ? '' : await readFile(brokerUrlFileIn(folder), 'utf8').catch(() => '');
      if (folder === undefined || address === '')
        throw new CommandError(
          EXIT.unreachable,
          `No platform has run on ${data}; name its data folder with --data.`,
        );
      const password = await pluginPassword(folder, type, renew === true).catch((error: unknown) => {
        throw new CommandError(EXIT.usage, error instanceof Error ? error.message : String(error));
      });
      const pids = brokersOn(brokerConfigIn(folder));
      const reload = (): void => pids.forEach((pid) => void process.kill(pid, 'SIGHUP'));
      // One that does not run reads them when it starts.
      if (pids.length > 0) await letWorkersIn({ url: address.trim(), type, password, reload });
      const url = address.trim().replace('://', `://${type}:${password}@`);
      out.show({ type, url }, () => [url]);
    });
};

type CheckOptions = { readonly input?: string; readonly name?: string };

const MIB = 1024 * 1024;
const LIMITS = { memoryMaxBytes: 256 * MIB, timeoutMs: 3_600_000, outputMaxBytes: 512 * 1024 } as const;

const addCheck = (plugins: Command, session: () => Session): void => {
  plugins
    .command('check')
    .description('whether a module is right, and with --input what its step makes of it; no platform needed')
    .argument('<file>', 'the module')
    .option('--input <json>', 'runs the step with this input, as an executor would')
    .option('--name <type>', 'the step of a module that has several')
    .action(async (file: string, { input, name }: CheckOptions) => {
      const { out } = session();
      const path = await realpath(file).catch(() => {
        throw new CommandError(EXIT.notFound, `There is no file '${file}'.`);
      });
      const module = pathToFileURL(path).href;
      const found = await describeModule(module);
      if (typeof found === 'string') throw new CommandError(EXIT.failed, `${file}: ${found}`);
      const manifests = found.map(({ manifest }) => manifest);
      for (const { manifest, warnings } of found)
        for (const warning of warnings) out.note(`${manifest.name}: ${warning}`, 'yellow');
      if (input === undefined)
        return out.show(manifests, () => manifests.map((one) => `${one.name}  ${one.version}  is right`));
      const checked = found.find(({ manifest }) => manifest.name === (name ?? found[0]?.manifest.name));
      if (checked === undefined) throw new CommandError(EXIT.notFound, `${file} has no step '${name}'.`);
      const say = (line: string): void => void process.stderr.write(`${line}\n`);
      const outcome = await runPlugin(
        { checked, module },
        { input: jsonOf(input), attempt: 1 },
        { ...LIMITS, signal: new AbortController().signal, log: say, progress: say },
      );
      if (!outcome.ok) throw new CommandError(EXIT.failed, `${outcome.code}: ${outcome.message}`);
      out.show(outcome.output, () => [JSON.stringify(outcome.output, null, 2)]);
    });
};

const jsonOf = (text: string): Readonly<Record<string, unknown>> => {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null) return value as Readonly<Record<string, unknown>>;
  } catch {
    // Said below.
  }
  throw new CommandError(
    EXIT.usage,
    `--input '${text.slice(0, 100)}' is not accepted; expected a JSON object`,
  );
};
