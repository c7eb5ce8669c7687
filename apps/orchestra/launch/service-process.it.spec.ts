import { setTimeout as wait } from 'node:timers/promises';
import { afterEach, describe, expect, it } from '@jest/globals';
import { isAlive } from './process-identity.js';
import { ServiceProcess, type ServiceLimits } from './service-process.js';

/** Child programs as small as a service can be. */
const READY = "process.send({ ready: 'results' });";
const STAY = 'setInterval(() => {}, 1000);';
const GOOD = `process.once('SIGTERM', () => process.exit(0)); ${STAY} ${READY}`;

const LIMITS: ServiceLimits = { startMs: 20_000, stopMs: 20_000 };

const running: ServiceProcess[] = [];
afterEach(async () => {
  for (const service of running.splice(0)) {
    service.signal('SIGKILL');
    await service.stop();
  }
});

const service = (script: string, limits = LIMITS, program = process.execPath) => {
  const said: string[] = [];
  const lines: string[] = [];
  const logged: string[] = [];
  const child = new ServiceProcess({
    service: 'results',
    program,
    args: ['-e', script],
    env: { ...process.env, SECRET: 'handed on' },
    log: { write: (part) => logged.push(new TextDecoder().decode(part)), close: () => logged.push('closed') },
    onLine: (line) => lines.push(line),
    say: (line) => said.push(line),
    random: () => 0,
    limits,
  });
  running.push(child);
  return { child, said, lines, logged };
};

/** Looks until the condition holds; Jest's own limit ends a wait that is in vain. */
const until = async (holds: () => boolean): Promise<void> => {
  while (!holds()) await wait(10);
};

const pidOf = (child: ServiceProcess): number => child.pid ?? Number.NaN;

describe('a service', () => {
  it('is started when it says so, and stopped when it is asked to', async () => {
    const { child, said } = service(GOOD);
    await child.start();
    const pid = pidOf(child);
    expect(isAlive(pid)).toBe(true);
    await child.stop();
    expect(isAlive(pid)).toBe(false);
    expect([child.pid, child.restarts, said]).toEqual([undefined, 0, []]);
  });

  it('gets the environment, and what it writes is kept and told line by line', async () => {
    const script = `console.error('{"msg":"' + process.env.SECRET + '"}'); process.stdout.write('no end'); ${GOOD}`;
    const { child, lines, logged } = service(script);
    await child.start();
    await child.stop();
    expect(lines.toSorted()).toEqual(['no end', '{"msg":"handed on"}']);
    expect(logged.slice(0, -1).join('')).toMatch(/handed on/);
    expect(logged.at(-1)).toBe('closed');
  });

  it('that is killed is started again, and ready() waits for that', async () => {
    const { child, said } = service(GOOD);
    await child.start();
    const first = pidOf(child);
    await child.kill();
    expect(isAlive(first)).toBe(false);
    await child.ready();
    expect(pidOf(child)).not.toBe(first);
    expect(child.restarts).toBe(1);
    expect(said).toEqual(['results was ended by SIGKILL; starting it again in 50 ms']);
  });

  it('that crashes again and again is started again after ever longer waits', async () => {
    const { child, said } = service(`${READY} setTimeout(() => process.exit(3), 10);`);
    await child.start();
    await until(() => child.restarts >= 3);
    expect(said.slice(0, 3)).toEqual(
      [50, 100, 200].map((ms) => `results ended with exit code 3; starting it again in ${ms} ms`),
    );
    await child.stop();
    const { restarts } = child;
    expect(child.pid).toBeUndefined();
    await child.stop();
    expect(child.restarts).toBe(restarts);
  });

  it('that crashes at first and starts then counts as started', async () => {
    const started = Date.now() + 300;
    const { child } = service(`if (Date.now() < ${started}) process.exit(1); ${GOOD}`);
    await child.start();
    expect(child.restarts).toBeGreaterThan(0);
  });

  it('that refuses its configuration is not started again, and says why', async () => {
    const { child, said } = service("console.error('PORT: x — expected 1 to 65535'); process.exit(78);");
    await expect(child.start()).rejects.toThrow('results did not start:\n  PORT: x — expected 1 to 65535');
    expect(said).toEqual([
      'results refuses its configuration; it is not started again:\n  PORT: x — expected 1 to 65535',
    ]);
    expect([child.pid, child.restarts]).toEqual([undefined, 0]);
  });

  it('that does not heed SIGTERM is killed', async () => {
    const { child } = service(`process.on('SIGTERM', () => {}); ${STAY} ${READY}`, {
      ...LIMITS,
      stopMs: 200,
    });
    await child.start();
    const pid = pidOf(child);
    await child.stop();
    expect(isAlive(pid)).toBe(false);
  });

  it('that is frozen is killed', async () => {
    const { child } = service(GOOD, { ...LIMITS, stopMs: 200 });
    await child.start();
    const pid = pidOf(child);
    child.signal('SIGSTOP');
    await child.stop();
    expect(isAlive(pid)).toBe(false);
  });

  it('that never says that it has started is ended and tried again, until the limit', async () => {
    const { child, said } = service(`console.log('waiting for the broker'); ${STAY}`, {
      ...LIMITS,
      startMs: 500,
    });
    await expect(child.start()).rejects.toThrow(
      /^results did not start within 500 ms:\n {2}waiting for the broker/,
    );
    await until(() => said.length > 0);
    expect(said[0]).toMatch(/^results was ended by SIGKILL; starting it again/);
  });

  it('whose program is not there is named', async () => {
    const { child, said } = service(GOOD, { ...LIMITS, startMs: 200 }, '/nowhere/node');
    await expect(child.start()).rejects.toThrow(/results did not start within 200 ms:\n {2}.*ENOENT/);
    expect(said[0]).toMatch(/^results could not be started: .*ENOENT/);
  });

  it('can be stopped while it starts, and while it waits to be started again', async () => {
    const starting = service(STAY).child;
    const start = starting.start().catch((error: Error) => error.message);
    await starting.stop();
    expect(await start).toBe('results did not start');
    const waiting = service('process.exit(1)').child;
    void waiting.start().catch(() => undefined);
    await until(() => waiting.restarts > 0);
    await waiting.stop();
    const { restarts } = waiting;
    // Another one that has to wait as long as this one would have.
    const other = service(GOOD).child;
    await other.start();
    for (let n = 0; n <= restarts; n += 1) {
      await other.kill();
      await other.ready();
    }
    expect([waiting.pid, waiting.restarts]).toEqual([undefined, restarts]);
  });

  it('that fails has said all that it had to say', async () => {
    const script = "process.exitCode = 78; process.stderr.write(`${'x'.repeat(150_000)}\\nPORT: x\\n`);";
    await expect(service(script).child.start()).rejects.toThrow(/\n {2}PORT: x$/);
  });

  it('may write more than a pipe holds', async () => {
    const { child, logged } = service(
      `for (let n = 0; n < 40; n += 1) console.log('x'.repeat(50_000)); ${GOOD}`,
    );
    await child.start();
    await until(() => logged.join('').length === 40 * 50_001);
    await child.stop();
  });
});
