import 'reflect-metadata';
import { afterEach, describe, expect, it } from '@jest/globals';
import type { CommandAnswer } from '#libs/contracts/commands.js';
import { SettingsError } from '#libs/runtime/settings.js';
import { compileTemplate } from '#libs/template/compile-template.js';
import type { CompiledTemplate } from '#libs/template/compiled-template.js';
import { loadGatewayConfig } from './gateway.config.js';
import { LateDecisions } from './late-decisions.js';
import { filterOf } from './list-tasks.dto.js';
import { AHEAD_MAX_MS, utcOf } from './http/point-in-time.js';
import { queueTimesOf } from './queue-times.js';
import { newTaskId } from './task-id.js';
import { TemplateRegistry } from './template-registry.js';

describe('a task id', () => {
  it('is a UUID of version 7 that sorts by time, and never comes twice', () => {
    const ids = Array.from({ length: 2_000 }, (_, n) => newTaskId(1_767_268_800_000 + Math.floor(n / 500)));
    for (const id of ids)
      expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(new Set(ids).size).toBe(ids.length);
    const times = ids.map((id) => Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16));
    expect(times).toEqual(ids.map((_, n) => 1_767_268_800_000 + Math.floor(n / 500)));
  });
});

describe('a time of RFC 3339', () => {
  it.each([
    ['2026-01-31T12:00:00Z', '2026-01-31T12:00:00.000Z'],
    ['2026-01-31t12:00:00.25z', '2026-01-31T12:00:00.250Z'],
    ['2026-01-31T12:00:00.123456789+01:30', '2026-01-31T10:30:00.123Z'],
    ['2024-02-29T23:59:59-23:59', '2024-03-01T23:58:59.000Z'],
  ])('%s is %s', (text, utc) => expect(utcOf(text)).toBe(utc));

  it.each([
    '2026-02-31T12:00:00Z',
    '2026-02-29T12:00:00Z',
    '2026-13-01T12:00:00Z',
    '2026-01-31T24:00:00Z',
    '2026-01-31T12:00:00',
    '2026-01-31 12:00:00Z',
    '2026-01-31',
    '9999-12-31T23:59:59-01:00',
    '0000-01-01T00:00:00+01:00',
    'tomorrow',
  ])('%s is none', (text) => expect(utcOf(text)).toBeNull());
});

describe('the times of a submission', () => {
  const NOW_MS = 1_767_268_800_000;
  const at = (ms: number): string => new Date(NOW_MS + ms).toISOString();

  it('are what the command has, and nothing that was not asked for', () => {
    expect(queueTimesOf({}, NOW_MS)).toEqual({});
    expect(queueTimesOf({ run_at: at(-5), deadline_at: at(AHEAD_MAX_MS), queue_ttl_ms: 7 }, NOW_MS)).toEqual({
      runAt: at(-5),
      deadlineAt: at(AHEAD_MAX_MS),
      queueTtlMs: 7,
    });
  });

  it.each([
    [{ run_at: at(AHEAD_MAX_MS + 1) }, /run_at .* too far ahead.*within a year/],
    [{ deadline_at: at(AHEAD_MAX_MS + 1) }, /deadline_at .* too far ahead/],
    [{ run_at: at(10), deadline_at: at(10) }, /deadline_at .* not after run_at/],
  ])('are refused as %j', (given, says) => expect(() => queueTimesOf(given, NOW_MS)).toThrow(says));
});

describe('a query for tasks', () => {
  it('is what the read model takes, and nothing that was not asked for', () => {
    expect(filterOf({})).toEqual({});
    expect(
      filterOf({
        status: ['queued'],
        template: 'noop',
        label: ['team:a', 'url:http://x:1'],
        created_from: '2026-01-31T12:00:00Z',
        created_to: '2026-01-31T12:00:00.5Z',
        workspace: 'lab',
        workflow_id: 'w-1',
      }),
    ).toEqual({
      workflowId: 'w-1',
      statuses: ['queued'],
      template: 'noop',
      labels: { team: 'a', url: 'http://x:1' },
      createdFrom: '2026-01-31T12:00:00.000Z',
      createdTo: '2026-01-31T12:00:00.500Z',
      workspace: 'lab',
    });
  });
});

describe('a submission whose client was sent away', () => {
  const late = new LateDecisions();

  it('is open until it is decided, then refused, gone, or another task', () => {
    for (const id of ['a', 'b', 'c']) late.expect(id, id);
    expect(late.of('a')).toEqual({ kind: 'open' });
    const failure = { code: 'QUEUE_FULL', message: 'full' } as const;
    late.decided({ commandId: 'a', ok: false, failure });
    late.decided({ commandId: 'b', ok: true, seq: 1, taskId: 'b' });
    late.decided({ commandId: 'c', ok: true, seq: 1, taskId: 'first', repeated: true });
    late.decided({ commandId: 'unknown', ok: true, seq: 1 });
    for (const id of ['w', 'x']) late.expect(id, id);
    late.decided({ commandId: 'w', ok: true, seq: 1, workflowId: 'w' });
    late.decided({ commandId: 'x', ok: true, seq: 1, workflowId: 'first', repeated: true });
    expect([late.of('w'), late.of('x')]).toEqual([undefined, { kind: 'repeated', taskId: 'first' }]);
    expect([late.of('a'), late.of('b'), late.of('c')]).toEqual([
      { kind: 'refused', failure },
      undefined,
      { kind: 'repeated', taskId: 'first' },
    ]);
  });

  it('is forgotten when too many others came after it', () => {
    for (let n = 0; n <= 10_000; n += 1) late.expect(`n${n}`, `n${n}`);
    expect([late.of('n0'), late.of('n10000')]).toEqual([undefined, { kind: 'open' }]);
  });
});

describe('a template', () => {
  const compiled = (name: string): CompiledTemplate => {
    const made = compileTemplate(`name: ${name}\nsteps: [{ id: a, type: noop }]`, 'test.yaml');
    if (!made.ok) throw new Error('not a template');
    return made.template;
  };
  const [one, two] = [compiled('one'), compiled('two')];
  const accepted: CommandAnswer = { commandId: 'c', ok: true, seq: 1 };
  const unknown: CommandAnswer = {
    commandId: 'c',
    ok: false,
    failure: { code: 'TEMPLATE_VERSION_UNKNOWN', message: 'unknown' },
  };

  it('is registered before the first submission that uses it, and once more where the scheduler lost it', async () => {
    const said: string[] = [];
    const registry = new TemplateRegistry(async ({ template }) => void said.push(template.name));
    const submit = async (templates: readonly CompiledTemplate[], ...answers: readonly CommandAnswer[]) => {
      const left = [...answers];
      return await registry.submitWith(templates, async (isRepeated) => {
        said.push(isRepeated ? 'again' : 'first');
        return left.shift() ?? null;
      });
    };
    expect(await submit([one, two], accepted)).toBe(accepted);
    expect(await submit([two], accepted)).toBe(accepted);
    expect(await submit([one], unknown, accepted)).toBe(accepted);
    expect(await submit([one], unknown, unknown)).toBe(unknown);
    expect(await submit([two])).toBeNull();
    expect(said.join(' ')).toBe('one two first first first one again first one again first');
  });
});

describe('the configuration', () => {
  const before = { ...process.env };
  afterEach(() => {
    process.env = { ...before };
  });
  const load = (env: Record<string, string>) => {
    process.env = env;
    return loadGatewayConfig();
  };

  it.each(['127.0.0.1', '127.5.5.5', '::1', 'localhost'])('needs no key on %s', (host) => {
    expect(load({ ORCHESTRA_HOST: host })).toMatchObject({ host, port: 8000 });
  });

  it.each(['0.0.0.0', '::', '192.168.1.5', 'example.org', '127.0.0.1.example.org'])(
    'needs a key on %s',
    (host) => {
      expect(() => load({ ORCHESTRA_HOST: host })).toThrow(SettingsError);
      expect(() => load({ ORCHESTRA_HOST: host })).toThrow(/ORCHESTRA_HOST.*set ORCHESTRA_API_KEY/);
      expect(load({ ORCHESTRA_HOST: host, ORCHESTRA_API_KEY: 'a-key-of-some-length' }).host).toBe(host);
    },
  );

  it('says what is wrong with a key without showing it', () => {
    expect(() => load({ ORCHESTRA_API_KEY: 'too short' })).toThrow(/at least 16/);
    expect(() => load({ ORCHESTRA_API_KEY: 'too short' })).not.toThrow(/too short/);
  });
});
