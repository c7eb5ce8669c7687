import type { Hardware } from '../hardware.js';
import type { Trace } from '../trace.js';
import { familiesOf } from './families.js';
import { loaderBoundMs } from './loader-bound.js';
import { modelBoundMs } from './model-bound.js';
import { pathBoundMs } from './path-bound.js';
import { relax, type UsableVram } from './relaxation.js';
import { releaseBoundMs } from './release-bound.js';
import { weightingsOn, weightingsOnParts } from './weighting.js';
import { workBoundMs } from './work-bound.js';

export type BoundName = 'work' | 'release' | 'path' | 'eligibility' | 'model' | 'loader';

export type MakespanBound = {
  /** No scheduler, not even one that knows the future, ends the trace sooner. */
  readonly boundMs: number;
  /** The largest of the bounds; the first named where several are equal. */
  readonly binds: BoundName;
  readonly boundsMs: Readonly<Record<BoundName, number>>;
};

/**
 * Servers start empty and memory cold, at time 0. A run in which a model was partly on the CPU is outside of what
 * this holds for.
 */
export const makespanBound = (
  trace: Trace,
  hardware: Hardware,
  usableVramBytes: UsableVram,
): MakespanBound => {
  const relaxation = relax(trace, hardware, usableVramBytes);
  const { servers, models, tasks } = relaxation;
  const families = familiesOf(relaxation);
  const onAll = weightingsOn(servers);
  const onParts = weightingsOnParts(servers, models);
  const boundsMs = {
    work: workBoundMs(relaxation, families, onAll),
    release: releaseBoundMs(tasks, onAll),
    path: pathBoundMs(tasks),
    eligibility: Math.max(workBoundMs(relaxation, families, onParts), releaseBoundMs(tasks, onParts)),
    model: modelBoundMs(tasks, [...onAll, ...onParts]),
    loader: loaderBoundMs(relaxation, families, [...onAll, ...onParts]),
  };
  let binds: BoundName = 'work';
  for (const name of Object.keys(boundsMs) as BoundName[]) if (boundsMs[name] > boundsMs[binds]) binds = name;
  return { boundMs: boundsMs[binds], binds, boundsMs };
};
