import { describe, expect, it } from '@jest/globals';
import { parse } from 'yaml';
import { ollamaUrl, serversText } from './default-servers.js';

describe('the address of the Ollama of this machine', () => {
  it.each([
    [undefined, 'http://127.0.0.1:11434'],
    ['', 'http://127.0.0.1:11434'],
    ['0.0.0.0', 'http://127.0.0.1:11434'],
    ['0.0.0.0:1234', 'http://127.0.0.1:1234'],
    ['gpu-box', 'http://gpu-box:11434'],
    ['gpu-box:80', 'http://gpu-box'],
    ['http://gpu-box', 'http://gpu-box'],
    ['https://gpu-box:8443/', 'https://gpu-box:8443'],
    [':1234', 'http://127.0.0.1:1234'],
    ['[::1]:1234', 'http://[::1]:1234'],
  ])('is read from OLLAMA_HOST %j as Ollama reads it: %s', (host, wanted) => {
    expect(ollamaUrl(host === undefined ? {} : { OLLAMA_HOST: host })).toBe(wanted);
  });

  it('that is no address is refused by name', () => {
    expect(() => ollamaUrl({ OLLAMA_HOST: 'a b' })).toThrow("OLLAMA_HOST 'a b': expected host:port or a URL");
  });
});

describe('the servers file that is written for it', () => {
  it.each([
    [{}, 1],
    [{ OLLAMA_NUM_PARALLEL: '4' }, 4],
    [{ OLLAMA_NUM_PARALLEL: '0' }, 1],
    [{ OLLAMA_NUM_PARALLEL: 'many' }, 1],
  ])('takes the slots from %j: %d', (env, slots) => {
    expect(serversText('http://h:1', null, env)).toMatch(new RegExp(`^ {4}slots: ${slots} `, 'm'));
  });

  it.each([
    [24 * 2 ** 30, 'gpu'],
    [null, 'cpu'],
  ])('with %d bytes of VRAM is one that the allocator accepts', (gpu, device) => {
    const text = serversText('http://127.0.0.1:11434', gpu, {});
    const { servers } = parse(text) as { servers: Record<string, unknown>[] };
    expect(servers).toEqual([
      {
        id: 'ollama-1',
        url: 'http://127.0.0.1:11434',
        vram: gpu === null ? expect.stringMatching(/^\d+MiB$/) : '24576MiB',
        slots: 1,
        device,
        pull_missing: false,
      },
    ]);
  });
});
