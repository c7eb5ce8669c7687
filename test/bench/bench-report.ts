import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { join } from 'node:path';

export type Figures = Readonly<Record<string, number | string | boolean>>;

/** Runs a program for one line of output; an empty string where it is not there. */
const lineOf = (program: string, args: readonly string[]): string => {
  try {
    return execFileSync(program, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  } catch {
    return '';
  }
};

/** Where and when a figure was taken; every committed result carries it. */
export const circumstances = (versions: Figures): Figures => ({
  date: new Date().toISOString(),
  commit: lineOf('git', ['rev-parse', '--short', 'HEAD']),
  cpu: cpus()[0]?.model ?? 'unknown',
  cores: cpus().length,
  memoryGiB: Math.round(totalmem() / 2 ** 30),
  platform: `${process.platform}-${process.arch}`,
  node: process.version,
  ...versions,
});

/** Prints the figures for people and writes them as flat JSON to `test/bench/results/<name>.json`. */
export const report = (name: string, figures: Figures, versions: Figures): void => {
  const width = Math.max(...Object.keys(figures).map((key) => key.length));
  process.stdout.write(`\n${name}\n`);
  for (const [key, value] of Object.entries(figures)) {
    process.stdout.write(`  ${key.padEnd(width)}  ${String(value)}\n`);
  }
  const folder = join(process.cwd(), 'test', 'bench', 'results');
  mkdirSync(folder, { recursive: true });
  const file = join(folder, `${name}.json`);
  writeFileSync(file, `${JSON.stringify({ ...figures, ...circumstances(versions) }, null, 2)}\n`);
  process.stdout.write(`  written to ${file}\n`);
};

/** Nearest-rank percentile of values in any order; NaN of none. */
export const percentile = (values: readonly number[], share: number): number => {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN;
};

export const round = (value: number, digits = 1): number => Number(value.toFixed(digits));
