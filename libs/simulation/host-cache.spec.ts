import { describe, expect, it } from '@jest/globals';
import { HostCache } from './host-cache.js';
import { VirtualClock } from './virtual-clock.js';
import { VirtualHost } from './virtual-host.js';

describe('HostCache', () => {
  it('drops the file that was read least recently', () => {
    const cache = new HostCache(10);
    cache.read('a', 4);
    cache.read('b', 4);
    cache.read('a', 4);
    cache.read('c', 4);
    expect(['a', 'b', 'c'].filter((file) => cache.has(file))).toEqual(['a', 'c']);
  });

  it('loses everything to a file that is larger than itself, and does not keep that one', () => {
    const cache = new HostCache(10);
    cache.read('a', 4);
    cache.read('huge', 11);
    expect(['a', 'huge'].filter((file) => cache.has(file))).toEqual([]);
    cache.read('b', 10);
    expect(cache.has('b')).toBe(true);
  });
});

describe('VirtualHost', () => {
  const host = { pageCacheBytes: 1_000, diskBytesPerS: 100, warmBytesPerS: 400 };
  const reads = (...files: readonly (readonly [atMs: number, file: string, bytes: number])[]): string[] => {
    const clock = new VirtualClock();
    const machine = new VirtualHost(clock, host);
    const ends: string[] = [];
    for (const [atMs, file, bytes] of files) {
      clock.at(atMs, () => machine.read(file, bytes, () => ends.push(`${file}@${Math.round(clock.nowMs)}`)));
    }
    clock.run();
    return ends;
  };

  it('reads from the disk once and from memory then', () => {
    expect(reads([0, 'a', 100], [2_000, 'a', 100])).toEqual(['a@1000', 'a@2250']);
  });

  it('shares the disk among those that need it, and memory among none', () => {
    // b reads alone from 1,500 on: 50 of its 100 bytes were read beside a.
    expect(reads([0, 'w', 10], [500, 'a', 50], [500, 'b', 100], [600, 'w', 10])).toEqual([
      'w@100',
      'w@625',
      'a@1500',
      'b@2000',
    ]);
  });
});
