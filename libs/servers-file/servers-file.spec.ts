import { describe, expect, it } from '@jest/globals';
import { parseServersFile } from './servers-file.js';

const GPUS = [{ index: 0, name: 'NVIDIA L4', memoryBytes: 23_034 * 1024 ** 2 }];

const parsed = (source: string) => parseServersFile(source, 'servers.yaml', GPUS);

describe('the list of servers', () => {
  it('may leave out the memory of a server beside the GPU', () => {
    const source = "servers:\n  - { id: here, url: 'http://127.0.0.1:11434' }\n";
    expect(parsed(source)).toMatchObject({
      ok: true,
      servers: [{ serverId: 'here', vramBytes: 23_034 * 1024 ** 2, gpuName: 'NVIDIA L4' }],
    });
  });

  it('is refused with every mistake, by line, value and what is accepted', () => {
    const source = [
      'servers:',
      "  - { id: here, url: 'http://127.0.0.1:1', gpus: 2 }",
      "  - { id: there, url: 'http://10.0.0.7:1', slots: 0 }",
      "  - { id: twice, url: 'http://10.0.0.7:1', vram: 8GiB }",
      "  - { id: twice, url: 'http://10.0.0.7:1', vram: 8GiB }",
    ].join('\n');
    const read = parsed(source);
    expect(read.ok ? [] : read.problems).toEqual([
      expect.stringContaining("servers.yaml:2:5: unknown field 'gpus' — expected one of id, url, vram"),
      expect.stringContaining('servers.yaml:3:5: vram undefined — expected bytes with a unit'),
      expect.stringContaining('servers.yaml:3:5: slots 0 — expected a whole number from 1 to 256'),
      expect.stringContaining("servers.yaml:5:5: id 'twice' stands twice"),
    ]);
  });
});
