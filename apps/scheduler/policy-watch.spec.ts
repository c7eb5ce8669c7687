import { EventEmitter, once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { DEFAULT_POLICY, type PolicySettings } from '#libs/domain/policy/settings.js';
import { createLogger } from '#libs/runtime/logger.js';
import { PolicyWatch } from './policy-watch.js';

const logger = createLogger({ service: 'scheduler', instance: 'spec', level: 'silent' });

describe('the file of the policy', () => {
  let folder: string;
  let file: string;
  let changes: EventEmitter;
  let stop: () => Promise<void>;

  const watching = async (): Promise<PolicyWatch> => {
    const watch = new PolicyWatch(file, (policy) => changes.emit('changed', policy), logger);
    stop = await watch.start();
    return watch;
  };
  const nextChange = async (): Promise<PolicySettings> => {
    const [policy] = (await once(changes, 'changed')) as [PolicySettings];
    return policy;
  };

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'orchestra-policy-'));
    file = join(folder, 'policy.yaml');
    changes = new EventEmitter();
    stop = () => Promise.resolve();
  });
  afterEach(async () => {
    await stop();
    await rm(folder, { recursive: true });
  });

  it('need not be there: the defaults hold', async () => {
    const watch = await watching();
    expect(watch.policy).toEqual(DEFAULT_POLICY);
    expect(watch.problems).toEqual([]);
  });

  it('holds from the start, and again whenever it changes, comes or goes', async () => {
    await writeFile(file, 'aging: 10s\n');
    const watch = await watching();
    expect(watch.policy).toEqual({ ...DEFAULT_POLICY, agingMs: 10_000 });
    const changed = nextChange();
    await writeFile(file, 'aging: 20s\n');
    expect(await changed).toEqual({ ...DEFAULT_POLICY, agingMs: 20_000 });
    const gone = nextChange();
    await rm(file);
    expect(await gone).toEqual(DEFAULT_POLICY);
    const back = nextChange();
    await writeFile(file, 'aging: 30s\n');
    expect(await back).toEqual({ ...DEFAULT_POLICY, agingMs: 30_000 });
    expect(watch.policy.agingMs).toBe(30_000);
  });

  it('changes nothing while it is not valid, and says what is wrong until it is', async () => {
    await writeFile(file, 'aging: 10s\n');
    const watch = await watching();
    const changed = nextChange();
    await writeFile(file, 'aging: soon\n');
    while (watch.problems.length === 0) await new Promise((resolve) => setImmediate(resolve));
    expect(watch.problems).toEqual([expect.stringContaining('aging "soon" — expected a duration')]);
    expect(watch.policy.agingMs).toBe(10_000);
    await writeFile(file, 'aging: 40s\n');
    expect((await changed).agingMs).toBe(40_000);
    expect(watch.problems).toEqual([]);
  });

  it('that cannot be read leaves the defaults and says so', async () => {
    file = folder;
    const watch = await watching();
    expect(watch.policy).toEqual(DEFAULT_POLICY);
    expect(watch.problems).toEqual([expect.stringContaining('cannot be read')]);
  });
});
