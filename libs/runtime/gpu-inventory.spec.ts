import { describe, expect, it } from '@jest/globals';
import { parseGpus } from './gpu-inventory.js';

const MIB = 1024 ** 2;

describe('what nvidia-smi says', () => {
  it('is one GPU a line, whatever its name', () =>
    expect(
      parseGpus(
        [
          '0, NVIDIA GeForce RTX 4090, 24564',
          '1, NVIDIA H100 80GB HBM3, 81559',
          '2, NVIDIA A100-SXM4-80GB MIG 1g.10gb, 9728',
          '3, Tesla T4, 15360',
          '',
        ].join('\n'),
      ),
    ).toEqual([
      { index: 0, name: 'NVIDIA GeForce RTX 4090', memoryBytes: 24_564 * MIB },
      { index: 1, name: 'NVIDIA H100 80GB HBM3', memoryBytes: 81_559 * MIB },
      { index: 2, name: 'NVIDIA A100-SXM4-80GB MIG 1g.10gb', memoryBytes: 9_728 * MIB },
      { index: 3, name: 'Tesla T4', memoryBytes: 15_360 * MIB },
    ]));

  it.each([
    ['memory that it shares with the CPU', '0, NVIDIA GB10, [N/A]'],
    ['a head line', 'index, name, memory.total [MiB]'],
    ['a sentence', 'No devices were found'],
    ['a GPU that was lost', '0, [Unknown Error], [Unknown Error]'],
    ['no memory at all', '0, NVIDIA L40S, 0'],
    ['nothing', ''],
  ])('is no GPU where it is %s', (_, text) => expect(parseGpus(text)).toEqual([]));

  it('may end its lines as Windows does', () =>
    expect(parseGpus('0, NVIDIA L4, 23034\r\n1, NVIDIA L4, 23034\r\n')).toHaveLength(2));
});
