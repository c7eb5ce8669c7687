import { execFile } from 'node:child_process';
import { constants } from 'node:fs';
import { access, lstat, mkdtemp, readlink, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { sandboxArguments, type BwrapFeatures, type SystemEntry } from './sandbox-arguments.js';

const run = promisify(execFile);

/** Where programs are looked for, and nowhere else: what the executor's own PATH names may be anybody's. */
export const PROGRAM_FOLDERS = ['/usr/local/bin', '/usr/bin', '/bin'] as const;

/** What programs need to run at all; everything in it can be read by scripts. */
const SYSTEM_PATHS = ['/usr', '/bin', '/sbin', '/lib', '/lib32', '/lib64', '/libx32', '/nix/store'];

/** A sandbox starts in a hundredth of a second; a machine that takes this long has other troubles. */
const PROBE_TIMEOUT_MS = 10_000;

export type Sandbox =
  | {
      readonly kind: 'bwrap';
      readonly path: string;
      readonly features: BwrapFeatures;
      readonly system: readonly SystemEntry[];
    }
  /** `why` completes "there is no sandbox, because …". */
  | { readonly kind: 'none'; readonly why: string };

export const findProgram = async (name: string): Promise<string | null> => {
  for (const folder of PROGRAM_FOLDERS) {
    const path = join(folder, name);
    if (
      await access(path, constants.X_OK).then(
        () => true,
        () => false,
      )
    )
      return path;
  }
  return null;
};

/** Finds bubblewrap and has it run a program the way that steps are run; what is there and does not work is no sandbox. */
export const findSandbox = async (): Promise<Sandbox> => {
  const path = await findProgram('bwrap');
  if (path === null) return { kind: 'none', why: 'bubblewrap (bwrap) is not installed' };
  for (const needed of ['prlimit', 'env', 'true'])
    if ((await findProgram(needed)) === null) return { kind: 'none', why: `${needed} is not installed` };
  const folder = await mkdtemp(join(tmpdir(), 'orchestra-probe-'));
  try {
    const system = await systemEntries();
    const features = await featuresOf(path);
    const mounts = [{ source: folder, target: '/workspace', writable: true }];
    const plan = { features, mounts, folder: '/workspace', network: false, system };
    const program = ['--', '/usr/bin/env', '-i', '/usr/bin/true'];
    await run(path, [...sandboxArguments(plan), ...program], { env: {}, timeout: PROBE_TIMEOUT_MS });
    return { kind: 'bwrap', path, features, system };
  } catch (error) {
    const { stderr } = error as { readonly stderr?: string };
    return {
      kind: 'none',
      why: `bubblewrap does not work here: ${(stderr || String(error)).trim().slice(0, 300)}`,
    };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
};

const featuresOf = async (path: string): Promise<BwrapFeatures> => {
  const { stdout, stderr } = await run(path, ['--help'], { env: {}, timeout: PROBE_TIMEOUT_MS });
  const help = stdout + stderr;
  return { disableUserns: help.includes('--disable-userns'), sizedTmpfs: help.includes('--size ') };
};

const systemEntries = async (): Promise<readonly SystemEntry[]> => {
  const entries: SystemEntry[] = [];
  for (const path of SYSTEM_PATHS) {
    const stats = await lstat(path).catch(() => null);
    if (stats?.isSymbolicLink() === true) entries.push({ kind: 'link', path, to: await readlink(path) });
    else if (stats?.isDirectory() === true) entries.push({ kind: 'folder', path });
  }
  return entries;
};
