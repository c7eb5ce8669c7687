import { compareVersions } from '#libs/contracts/server-version.js';
import { access, constants, mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';
import { downloadRelease } from './download-nats-server.js';
import { runCommand } from './run-command.js';

/** A nats-server that answers `--version`. */
export type FoundServer = {
  readonly path: string;
  /** Such as `2.14.5`. */
  readonly version: string;
  /** Where it came from, for messages. */
  readonly source: string;
};

export type FindOptions = {
  readonly env: NodeJS.ProcessEnv;
  /** One line for each attempt. */
  readonly say: (line: string) => void;
  /** False looks only for what is there and installs nothing. */
  readonly install: boolean;
};

/**
 * The release that is installed when the machine has none: the newest whose official checksums we could prove (see
 * download-nats-server.ts), and one that the suites of libs/event-log and libs/broker pass on.
 */
export const PINNED_VERSION = '2.14.5';

/** Oldest release on which the suites pass: that of Debian 12. */
const OLDEST_VERSION = '2.9.10';

const VERSION_LIMIT_MS = 10_000;
/** Compiling took 75 s on two busy cores; the modules have to be fetched before. */
const GO_LIMIT_MS = 600_000;
const PACKAGE_LIMIT_MS = 180_000;

type Context = FindOptions & { readonly cacheDir: string };
type Provider = {
  readonly name: string;
  readonly installs: boolean;
  /** Path of a candidate, or null with the reason said. */
  readonly provide: (context: Context) => Promise<string | null>;
};

export class NatsServerMissingError extends Error {
  override readonly name = 'NatsServerMissingError';
}

/** Looks in the places below in turn; the first program that runs and is new enough is taken. */
export const findNatsServer = async (options: FindOptions): Promise<FoundServer> => {
  const context = { ...options, cacheDir: cacheDirOf(options.env) };
  const explicit = options.env['ORCHESTRA_NATS_SERVER'];
  if (explicit) return await explicitServer(explicit);
  for (const { name, installs, provide } of PROVIDERS) {
    if (installs && !options.install) continue;
    const path = await provide(context);
    if (path === null) continue;
    const checked = await checkServer(path);
    if ('version' in checked) {
      options.say(`nats-server ${checked.version}: ${path} (${name})`);
      return { path, version: checked.version, source: name };
    }
    options.say(`${name}: ${checked.problem}`);
  }
  throw new NatsServerMissingError(
    `No usable nats-server (${OLDEST_VERSION} or newer) was found on the PATH or in ${context.cacheDir}, ` +
      'and none could be installed. Install one (https://nats.io/download, `brew install nats-server`, ' +
      '`apt-get install nats-server`), set ORCHESTRA_NATS_SERVER to its path, or set NATS_URL to a running broker.',
  );
};

/** Asked for by name: nothing else is tried, so that a test of one release does not pass on another. */
const explicitServer = async (path: string): Promise<FoundServer> => {
  const checked = await checkServer(path);
  if ('version' in checked) return { path, version: checked.version, source: 'ORCHESTRA_NATS_SERVER' };
  throw new NatsServerMissingError(`ORCHESTRA_NATS_SERVER: ${checked.problem}`);
};

const checkServer = async (path: string): Promise<{ version: string } | { problem: string }> => {
  const { code, output } = await runCommand(path, ['--version'], { limitMs: VERSION_LIMIT_MS });
  const version = /v?(\d+\.\d+\.\d+)/.exec(output)?.[1];
  if (code !== 0 || version === undefined) {
    return { problem: `${path} --version gave ${code ?? 'no exit code'}: ${output || 'nothing'}` };
  }
  if (compareVersions(version, OLDEST_VERSION) < 0) {
    return { problem: `${path} is version ${version}; ${OLDEST_VERSION} or newer is needed` };
  }
  return { version };
};

const cacheDirOf = (env: NodeJS.ProcessEnv): string =>
  join(env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'ai-task-orchestra', 'bin');

const isExecutable = async (path: string): Promise<boolean> =>
  await access(path, constants.X_OK).then(
    () => true,
    () => false,
  );

/** Debian puts the server into /usr/sbin, which is not on everyone's PATH. */
const SYSTEM_FOLDERS = ['/usr/sbin', '/usr/local/bin', '/opt/homebrew/bin'];

const onPath = async (program: string, env: NodeJS.ProcessEnv): Promise<string | null> => {
  const folders = [...(env['PATH'] ?? '').split(delimiter), ...SYSTEM_FOLDERS];
  for (const folder of folders.filter((name) => name !== '')) {
    const path = join(folder, program);
    if (await isExecutable(path)) return path;
  }
  return null;
};

const cachedAs = (cacheDir: string): string => join(cacheDir, `nats-server-${PINNED_VERSION}`);
const packagedAs = (cacheDir: string): string => join(cacheDir, 'nats-server-debian');

const fromCache = async ({ cacheDir }: Context): Promise<string | null> => {
  for (const path of [cachedAs(cacheDir), packagedAs(cacheDir)]) if (await isExecutable(path)) return path;
  return null;
};

const byDownload = async ({ cacheDir, say }: Context): Promise<string | null> => {
  await mkdir(cacheDir, { recursive: true });
  return await downloadRelease({ target: cachedAs(cacheDir), version: PINNED_VERSION, say });
};

/** The module's content is checked by Go itself against its checksum database. */
const byGo = async ({ cacheDir, env, say }: Context): Promise<string | null> => {
  const go = await onPath('go', env);
  if (go === null) return null;
  say(`go install nats-server v${PINNED_VERSION}: takes a minute or two`);
  const folder = join(cacheDir, `go-${PINNED_VERSION}`);
  await mkdir(folder, { recursive: true });
  const { code, output } = await runCommand(
    go,
    ['install', `github.com/nats-io/nats-server/v2@v${PINNED_VERSION}`],
    { limitMs: GO_LIMIT_MS, env: { ...env, GOBIN: folder, GOFLAGS: '', CGO_ENABLED: '0' } },
  );
  if (code === 0) {
    await rename(join(folder, 'nats-server'), cachedAs(cacheDir));
    return cachedAs(cacheDir);
  }
  say(`go install failed: ${lastLine(output)}`);
  return null;
};

/** Takes the program out of Debian's package without installing that, so no system service appears. */
const byApt = async ({ cacheDir, env, say }: Context): Promise<string | null> => {
  const [apt, dpkg] = [await onPath('apt-get', env), await onPath('dpkg-deb', env)];
  if (apt === null || dpkg === null) return null;
  say('taking nats-server out of the Debian package');
  await mkdir(cacheDir, { recursive: true });
  const folder = await mkdtemp(join(cacheDir, 'apt-'));
  try {
    if (!(await aptDownload(apt, folder, env, say))) return null;
    const archive = (await readdir(folder)).find((name) => name.endsWith('.deb'));
    if (archive === undefined) return null;
    const args = ['-x', join(folder, archive), folder];
    const { code, output } = await runCommand(dpkg, args, { limitMs: PACKAGE_LIMIT_MS });
    if (code !== 0) {
      say(`dpkg-deb failed: ${lastLine(output)}`);
      return null;
    }
    await rename(join(folder, 'usr/sbin/nats-server'), packagedAs(cacheDir));
    return packagedAs(cacheDir);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
};

/** The package lists may be missing or old; only root can fetch them. */
const aptDownload = async (
  apt: string,
  folder: string,
  env: NodeJS.ProcessEnv,
  say: (line: string) => void,
): Promise<boolean> => {
  const download = async (): Promise<{ code: number | null; output: string }> =>
    await runCommand(apt, ['download', '-qq', 'nats-server'], {
      limitMs: PACKAGE_LIMIT_MS,
      env,
      folder,
    });
  let result = await download();
  if (result.code !== 0 && process.getuid?.() === 0) {
    await runCommand(apt, ['update', '-qq'], { limitMs: PACKAGE_LIMIT_MS, env });
    result = await download();
  }
  if (result.code !== 0) say(`apt-get download failed: ${lastLine(result.output)}`);
  return result.code === 0;
};

const byBrew = async ({ env, say }: Context): Promise<string | null> => {
  const brew = process.platform === 'darwin' ? await onPath('brew', env) : null;
  if (brew === null) return null;
  say('brew install nats-server');
  const { code, output } = await runCommand(brew, ['install', '--quiet', 'nats-server'], {
    limitMs: PACKAGE_LIMIT_MS,
    env,
  });
  if (code === 0) return await onPath('nats-server', env);
  say(`brew install failed: ${lastLine(output)}`);
  return null;
};

const PROVIDERS: readonly Provider[] = [
  { name: 'on the PATH', installs: false, provide: async ({ env }) => await onPath('nats-server', env) },
  { name: 'from the cache', installs: false, provide: fromCache },
  { name: 'official release', installs: true, provide: byDownload },
  { name: 'built with go install', installs: true, provide: byGo },
  { name: 'from apt', installs: true, provide: byApt },
  { name: 'from Homebrew', installs: true, provide: byBrew },
];

const lastLine = (text: string): string =>
  text.split('\n').findLast((line) => line.trim() !== '') ?? 'no output';
