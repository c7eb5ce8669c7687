import { DEFAULT_POLICY } from '#libs/domain/policy/settings.js';
import type { Hardware } from '#libs/simulation/hardware.js';
import { certainOf, impossibilities, judgeRun, type Judgement } from '#libs/simulation/judge-run.js';
import { hardwarePresets } from '#libs/simulation/presets.js';
import type { SimScheduler } from '#libs/simulation/run-record.js';
import { TRACES } from '#libs/simulation/traces/traces.js';

/** One run: who, on what, with which seed, and what it was worth. */
export type Run = Judgement & {
  readonly trace: string;
  readonly hardware: string;
  readonly scheduler: string;
  readonly seed: number;
};

/** Where a seed is run: each cell is independent of all others. */
export type Cell = { readonly trace: string; readonly hardware: string; readonly seed: number };

export const cellsOf = (
  seeds: number,
  only: Partial<Record<'trace' | 'hardware', string>> = {},
): readonly Cell[] =>
  hardwarePresets()
    .map(({ name }) => name)
    .filter((name) => only.hardware === undefined || name === only.hardware)
    .flatMap((hardware) =>
      Object.keys(TRACES)
        .filter((name) => only.trace === undefined || name === only.trace)
        .flatMap((trace) => Array.from({ length: seeds }, (_, n) => ({ trace, hardware, seed: n + 1 }))),
    );

const hardwareOf = (name: string): Hardware => {
  const found = hardwarePresets().find((preset) => preset.name === name);
  if (found) return found;
  throw new Error(
    `hardware '${name}' — expected one of ${hardwarePresets()
      .map((one) => one.name)
      .join(', ')}`,
  );
};

/** Runs the same workload under each scheduler. Throws when one of them did what cannot be done. */
export const runCell = (
  { trace: name, hardware: machine, seed }: Cell,
  schedulers: readonly SimScheduler[],
): readonly Run[] => {
  const hardware = hardwareOf(machine);
  const make = TRACES[name];
  if (make === undefined)
    throw new Error(`trace '${name}' — expected one of ${Object.keys(TRACES).join(', ')}`);
  const trace = make(hardware, seed);
  const certain = certainOf(trace, hardware);
  return schedulers.map((scheduler) => {
    const record = scheduler.run(trace, hardware);
    const judged = judgeRun(record, trace, hardware, certain, DEFAULT_POLICY.fairQuantumMs);
    const [wrong] = impossibilities(judged, record, trace);
    if (wrong !== undefined)
      throw new Error(`${scheduler.name} on ${name}, ${machine}, seed ${seed}: ${wrong}`);
    return { trace: name, hardware: machine, scheduler: scheduler.name, seed, ...judged };
  });
};
