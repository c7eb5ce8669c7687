import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';

const PS_LIMIT_MS = 5_000;
const PS_MAX_BYTES = 16 * 1024 * 1024;
const LOOK_EVERY_MS = 50;

/** A broker writes its indexes when it is asked to stop; after this it is ended anyway, which loses nothing acknowledged. */
const STOP_LIMIT_MS = 20_000;

/**
 * Brokers that run on this configuration file. A launcher that was killed leaves its broker behind, and a second one on the same
 * files would damage them.
 */
export const brokersOn = (configFile: string): readonly number[] =>
  (process.platform === 'linux' ? fromProc() : fromPs())
    .filter(({ pid, command }) => pid !== process.pid && command.includes(`--config ${configFile} `))
    .map(({ pid }) => pid);

/** Ends them and waits until they are gone. */
export const endLeftBrokers = async (configFile: string, say: (line: string) => void): Promise<void> => {
  for (const pid of brokersOn(configFile)) {
    say(`stopping the broker that an earlier launcher left behind (process ${pid})`);
    process.kill(pid, 'SIGTERM');
    if (await goneWithin(STOP_LIMIT_MS, pid, configFile)) continue;
    process.kill(pid, 'SIGKILL');
    if (!(await goneWithin(STOP_LIMIT_MS, pid, configFile)))
      throw new Error(`the broker that an earlier launcher left behind (process ${pid}) does not end`);
  }
};

/** By its command and not by its id: a dead process that nobody has waited for still has its id. */
const goneWithin = async (limitMs: number, pid: number, configFile: string): Promise<boolean> => {
  const limit = Date.now() + limitMs;
  while (brokersOn(configFile).includes(pid)) {
    if (Date.now() > limit) return false;
    await wait(LOOK_EVERY_MS);
  }
  return true;
};

type Running = { readonly pid: number; readonly command: string };

const fromProc = (): readonly Running[] =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((name) => ({ pid: Number(name), command: commandOf(name) }));

/** Arguments with a space behind each, the last included. */
const commandOf = (pid: string): string => {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
  } catch {
    // It has ended meanwhile.
    return '';
  }
};

const fromPs = (): readonly Running[] =>
  execFileSync('ps', ['-axww', '-o', 'pid=,command='], {
    encoding: 'utf8',
    timeout: PS_LIMIT_MS,
    maxBuffer: PS_MAX_BYTES,
  })
    .split('\n')
    .map((line) => {
      const [, pid = '0', command = ''] = /^\s*(\d+)\s+(.*)$/.exec(line) ?? [];
      return { pid: Number(pid), command: `${command} ` };
    });
