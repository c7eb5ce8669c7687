import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { EVENT_CATALOGUE } from '#libs/contracts/event-catalogue.js';
import { LEASE_STREAM_TYPES } from '#libs/domain/gpu/events.js';
import { TASK_STREAM_TYPES } from '#libs/domain/task/stream-types.js';
import { readmeTables, withTables } from './readme-tables.js';
import { SERVICE_SETTINGS } from './service-settings.js';

/** Rules worth saying are tests: what a reviewer would otherwise have to look for. */
const tracked = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], {
  encoding: 'utf8',
})
  .split('\n')
  .filter((file) => file !== '' && existsSync(file));
const code = tracked.filter((file) => /^(apps|libs|test)\/.*\.(ts|mjs)$/.test(file));

/** Counts what a reader reads: blank lines and comments do not make a file longer. */
const linesOf = (file: string): number =>
  readFileSync(file, 'utf8')
    .replace(/\/\*[\s\S]*?\*\//g, '')
    .split('\n')
    .filter((line) => line.trim() !== '' && !line.trim().startsWith('//')).length;

describe('the tree', () => {
  it('has no barrels', () => {
    expect(code.filter((file) => file.endsWith('/index.ts'))).toEqual([]);
  });

  it('has no folder called util, common, helpers or misc', () => {
    expect(code.filter((file) => /\/(utils?|common|helpers?|misc)\//.test(file))).toEqual([]);
  });

  it('has no unfinished marks', () => {
    const marks = new RegExp(`\\b(${['TO' + 'DO', 'FIX' + 'ME', 'XX' + 'X', 'HA' + 'CK'].join('|')})\\b`);
    expect(code.filter((file) => marks.test(readFileSync(file, 'utf8')))).toEqual([]);
  });

  it('keeps files short: 200 lines in the domain, 300 elsewhere', () => {
    const long = code
      .filter((file) => !/\.(spec|conformance)\.ts$/.test(file) && !file.startsWith('test/'))
      .filter((file) => linesOf(file) > (file.startsWith('libs/domain/') ? 200 : 300));
    expect(long).toEqual([]);
  });

  it('has no lockfile address of a registry', () => {
    expect(readFileSync('package-lock.json', 'utf8')).not.toMatch(/"resolved": "https?:/);
  });

  it('imports the defining file through the alias, never another folder by dots', () => {
    const dotted = code.filter((file) => /from '(\.\.\/){3,}/.test(readFileSync(file, 'utf8')));
    expect(dotted).toEqual([]);
  });
});

describe("the reader's tour", () => {
  const tour = readFileSync('README.md', 'utf8')
    .split('\n')
    .flatMap((line) => /^\d\. \[`[^`]+`\]\(([^)]+)\)/.exec(line)?.[1] ?? []);

  it('has six files, and each exists', () => {
    expect(tour).toHaveLength(6);
    expect(tour.filter((file) => !existsSync(file))).toEqual([]);
  });

  it('is told by the files themselves: each names the next', () => {
    for (const [place, file] of tour.entries()) {
      const next = tour[place + 1];
      if (next !== undefined) expect([file, readFileSync(file, 'utf8').includes(next)]).toEqual([file, true]);
    }
  });
});

describe('the README', () => {
  it('has the tables that the code makes (npm run docs writes them)', () => {
    const readme = readFileSync('README.md', 'utf8');
    expect(withTables(readme, readmeTables(SERVICE_SETTINGS))).toBe(readme);
  });

  it('links only to files that exist', () => {
    for (const page of tracked.filter((file) => file.endsWith('.md'))) {
      const links = [...readFileSync(page, 'utf8').matchAll(/\]\((?!https?:|#)([^)#]+)/g)].map(
        ([, link]) => link ?? '',
      );
      expect([page, links.filter((link) => !existsSync(join(dirname(page), link)))]).toEqual([page, []]);
    }
  });
});

describe('every event type', () => {
  const types = [...new Set([...TASK_STREAM_TYPES, ...LEASE_STREAM_TYPES])].toSorted();

  it('stands in the catalogue, and nothing else does', () => {
    expect(EVENT_CATALOGUE.map(({ type }) => type).toSorted()).toEqual(types);
  });

  it('has a frozen example of every version ever written', () => {
    const frozen = readdirSync('test/fixtures/events');
    const missing = EVENT_CATALOGUE.flatMap(({ type, version }) =>
      Array.from({ length: version }, (_, n) => `${type}.v${n + 1}.json`),
    ).filter((file) => !frozen.includes(file));
    expect(missing).toEqual([]);
  });
});
