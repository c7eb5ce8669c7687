import { describe, expect, it } from '@jest/globals';
import { timeline } from './timeline.js';

const at = (seconds: number): string => new Date(Date.UTC(2026, 0, 1) + seconds * 1000).toISOString();
const ms = (seconds: number): number => Date.UTC(2026, 0, 1) + seconds * 1000;

const task = (
  id: string,
  created: number,
  started: number | null,
  ended: number | null,
  after: string[] = [],
) => ({
  name: id,
  task: {
    id,
    depends_on: after,
    created_at: at(created),
    started_at: started === null ? null : at(started),
    ended_at: ended === null ? null : at(ended),
  },
});

/** 48 marks for 48 s make a mark a second. */
const bars = (lines: readonly string[]): readonly string[] =>
  lines.slice(0, -1).map((line) => line.slice(7, 55));

describe('the timeline', () => {
  it('shows waiting, loading and running to scale', () => {
    const lines = timeline(
      [task('first', 0, 10, 20), task('other', 0, 20, 48)],
      [{ fromMs: ms(4), toMs: ms(10) }],
    );
    expect(bars(lines)).toEqual([
      `${'·'.repeat(4)}${'▒'.repeat(6)}${'█'.repeat(10)}${' '.repeat(28)}`,
      `${'·'.repeat(4)}${'▒'.repeat(6)}${'·'.repeat(10)}${'█'.repeat(28)}`,
    ]);
    expect(lines[0]).toMatch(/ {2}20\.00 s$/);
    expect(lines.at(-1)).toMatch(/48\.00 s in all$/);
  });

  it('counts a load only for who waits for nothing else', () => {
    const lines = timeline(
      [task('first', 0, 10, 20), task('other', 0, 30, 48, ['first'])],
      [
        { fromMs: ms(0), toMs: ms(10) },
        { fromMs: ms(22), toMs: ms(26) },
      ],
    );
    expect(bars(lines)[1]).toBe(`${'·'.repeat(22)}${'▒'.repeat(4)}${'·'.repeat(4)}${'█'.repeat(18)}`);
  });

  it('gives what took no time a mark all the same', () => {
    expect(bars(timeline([task('first', 0, 10, 10.001), task('other', 0, 47, 48)], []))[0]).toBe(
      `${'·'.repeat(10)}█${' '.repeat(37)}`,
    );
  });

  it('draws a task that never ran, and one alone that took no time', () => {
    expect(bars(timeline([task('first', 0, null, 24), task('other', 0, 24, 48)], []))[0]).toBe(
      `${'·'.repeat(24)}${' '.repeat(24)}`,
    );
    expect(timeline([task('first', 0, 0, 0)], [])).toHaveLength(2);
  });
});
