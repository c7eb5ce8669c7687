import { describe, expect, it } from '@jest/globals';
import { serverOfEntry } from './server-entry.js';

const good = { url: 'http://192.168.1.20:11434/', vram: '24GiB' };

const problems = (entry: object, id: unknown = 'attic'): readonly string[] => {
  const read = serverOfEntry(id, entry);
  return 'problems' in read ? read.problems.map(({ field }) => field) : [];
};

describe('a server as people write it', () => {
  it('needs an address and its memory, and has defaults for the rest', () =>
    expect(serverOfEntry('attic', good)).toEqual({
      serverId: 'attic',
      kind: 'ollama',
      url: 'http://192.168.1.20:11434',
      vramBytes: 24 * 1024 ** 3,
      slots: 1,
      device: 'gpu',
      labels: {},
      pullMissing: false,
    }));

  it('has everything that is wrong with it told at once', () =>
    expect(problems({ slots: 0, device: 'tpu', labels: [], pull_missing: 'yes' }, 'Attic')).toEqual([
      'id',
      'url',
      'vram',
      'slots',
      'device',
      'labels',
      'pull_missing',
    ]));

  it.each([
    'http://127.0.0.1:11434',
    'https://ollama.home.arpa/gpu1',
    'http://user:secret@10.0.0.7:8080',
    'http://[fd00::1]:11434',
  ])('may listen at %s', (url) => expect(problems({ ...good, url })).toEqual([]));

  it.each([
    'ftp://host',
    'http://',
    'host:11434',
    'http://host:99999',
    'http://host/?x=1',
    'http://169.254.169.254/latest',
    'http://2852039166/',
    'http://[fe80::1]:11434',
    'http://[::ffff:169.254.169.254]/',
    `http://${'a'.repeat(3_000)}`,
  ])('cannot listen at %.40s', (url) => expect(problems({ ...good, url })).toEqual(['url']));

  it.each(['24', '24 TB', 'much', '1'.repeat(15) + 'GiB', -1, null])('cannot have %s of memory', (vram) =>
    expect(problems({ ...good, vram })).toEqual(['vram']),
  );

  it('has the memory of a GPU of this machine where it is on it and says so, or nothing', () => {
    const gpus = [
      { index: 0, name: 'NVIDIA L4', memoryBytes: 23_034 },
      { index: 1, name: 'NVIDIA L40S', memoryBytes: 46_068 },
    ];
    const read = (url: string, vram?: string) => serverOfEntry('attic', { url, vram }, gpus);
    for (const vram of [undefined, 'auto'])
      expect(read('http://127.0.0.1:1', vram)).toMatchObject({ vramBytes: 23_034, gpuName: 'NVIDIA L4' });
    expect(read('http://[::1]:1', 'auto:1')).toMatchObject({ vramBytes: 46_068, gpuName: 'NVIDIA L40S' });
    expect(read('http://localhost:1', '8GiB')).not.toHaveProperty('gpuName');
    for (const [url, vram] of [
      ['http://127.0.0.1:1', 'auto:2'],
      ['http://192.168.1.20:1', 'auto'],
    ] as const)
      expect(read(url, vram)).toMatchObject({
        problems: [{ field: 'vram', accepted: expect.stringContaining('auto') as unknown }],
      });
    expect(serverOfEntry('attic', { url: 'http://127.0.0.1:1' })).toMatchObject({
      problems: [{ field: 'vram' }],
    });
  });

  it('has labels of text, not too many and not too long', () => {
    expect(problems({ ...good, labels: { room: 'attic' } })).toEqual([]);
    const many = Object.fromEntries(Array.from({ length: 65 }, (_, n) => [`l${n}`, 'x']));
    for (const labels of [many, { room: 1 }, { room: 'x'.repeat(200) }, null])
      expect(problems({ ...good, labels })).toEqual(['labels']);
  });
});
