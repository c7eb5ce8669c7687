import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { findProgram } from '../sandbox/find-sandbox.js';

const run = promisify(execFile);

/** The first git that can be told where a host is (`http.curloptResolve`): older ones look it up once more, after it was checked. */
export const GIT_LEAST = { major: 2, minor: 37 } as const;

/** Absolute path of a git that is new enough, or null. */
export const findGit = async (): Promise<string | null> => {
  const path = await findProgram('git');
  if (path === null) return null;
  const { stdout } = await run(path, ['--version'], { env: {} }).catch(() => ({ stdout: '' }));
  return isNewEnough(stdout) ? path : null;
};

/** `version` as git says it: `git version 2.39.5`. */
export const isNewEnough = (version: string): boolean => {
  const [, major = '0', minor = '0'] = /^git version (\d+)\.(\d+)/.exec(version) ?? [];
  const [ours, least] = [Number(major), GIT_LEAST.major];
  return ours > least || (ours === least && Number(minor) >= GIT_LEAST.minor);
};
