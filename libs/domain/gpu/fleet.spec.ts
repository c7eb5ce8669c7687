import { describe, expect, it } from '@jest/globals';
import { cpuSpec, gib, NOW, profileOf, serverSpec } from '#libs/testing/builders.js';
import { ledgerOf } from '#libs/testing/spec.js';
import type { GpuEvent, ServerSpec } from './events.js';
import { configureServers, putServer, removeServer, SERVERS_MAX, takenIds } from './fleet.js';

const configured = (server: ServerSpec): GpuEvent => ({ type: 'server.configured', server, at: NOW });
const ours = (id: string): ServerSpec => ({ ...serverSpec(id), source: 'api' });
const AT = { serverId: 'gpu1', at: NOW } as const;
const state = (to: 'up' | 'down' | 'suspect'): GpuEvent => ({
  type: 'server.state-changed',
  ...AT,
  state: to,
  foreign: [],
});
const LOADING: GpuEvent = {
  type: 'residency.load-started',
  ...AT,
  residencyId: 'r1',
  profile: profileOf('llama3.2:3b'),
  bytes: gib(3),
  slots: 2,
};

describe('servers of the file and of the API', () => {
  const ledger = ledgerOf(configured(cpuSpec(2)), configured(serverSpec('file1')), configured(ours('gpu1')));

  it('are managed apart: a changed file leaves those of the API alone', () =>
    expect(configureServers(ledger, [cpuSpec(2)], NOW)).toEqual([
      { type: 'server.removed', serverId: 'file1', at: NOW },
    ]));

  it('keep the id of whoever named it first', () => {
    const wanted = [cpuSpec(2), serverSpec('file1'), serverSpec('gpu1', { slots: 9 })];
    expect(configureServers(ledger, wanted, NOW)).toEqual([]);
    expect(takenIds(ledger, wanted)).toEqual(['gpu1']);
    for (const id of ['file1', 'cpu'])
      expect(putServer(ledger, serverSpec(id), NOW)).toMatchObject({
        ok: false,
        failure: { code: 'SERVER_IN_FILE' },
      });
    expect(removeServer(ledger, 'file1', NOW)).toMatchObject({ failure: { code: 'SERVER_IN_FILE' } });
  });
});

describe('a server of the API', () => {
  it('is added, changed, and left alone when it is so already', () => {
    const ledger = ledgerOf(configured(ours('gpu1')));
    expect(putServer(ledger, serverSpec('gpu2'), NOW)).toEqual({
      ok: true,
      events: [configured(ours('gpu2'))],
    });
    expect(putServer(ledger, serverSpec('gpu1'), NOW)).toEqual({ ok: true, events: [] });
    expect(putServer(ledger, serverSpec('gpu1', { slots: 7 }), NOW)).toMatchObject({
      events: [{ type: 'server.configured', server: { slots: 7, source: 'api' } }],
    });
  });

  it('is one too many at some point, but can still be changed', () => {
    const full = ledgerOf(...Array.from({ length: SERVERS_MAX }, (_, n) => configured(ours(`gpu${n}`))));
    expect(putServer(full, serverSpec('another'), NOW)).toMatchObject({ failure: { code: 'SERVERS_FULL' } });
    expect(putServer(full, serverSpec('gpu1', { slots: 7 }), NOW)).toMatchObject({ ok: true });
  });

  it('is drained before it is removed while it works', () => {
    const busy = [configured(ours('gpu1')), state('up'), LOADING];
    expect(removeServer(ledgerOf(...busy), 'gpu1', NOW)).toMatchObject({
      ok: false,
      failure: { code: 'SERVER_IN_USE', message: expect.stringContaining('drain it first') as unknown },
    });
    expect(removeServer(ledgerOf(...busy.slice(0, 2)), 'gpu1', NOW)).toMatchObject({ ok: true });
    expect(removeServer(ledgerOf(), 'gpu1', NOW)).toMatchObject({ failure: { code: 'SERVER_UNKNOWN' } });
  });

  it('goes as it is while it does not work, and its attempts are made again elsewhere', () => {
    const loaded: GpuEvent = {
      type: 'residency.loaded',
      ...AT,
      residencyId: 'r1',
      bytes: gib(3),
      vramBytes: gib(3),
      loadMs: 9,
    };
    const granted: GpuEvent = {
      type: 'lease.granted',
      ...AT,
      leases: [{ leaseId: 'l1', taskId: 't1', stepId: 'a', attempt: 1, residencyId: 'r1' }],
    };
    const stuck = [configured(ours('gpu1')), state('up'), LOADING, loaded, granted, state('suspect')];
    expect(removeServer(ledgerOf(...stuck), 'gpu1', NOW)).toMatchObject({
      events: [{ type: 'lease.expired', leaseIds: ['l1'] }, { type: 'server.removed' }],
    });
  });
});
