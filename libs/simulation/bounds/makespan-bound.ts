import type { Hardware } from '../hardware.js';
import type { Trace } from '../trace.js';
import { eligibilityBoundMs } from './eligibility-bound.js';
import { loaderBoundMs } from './loader-bound.js';
import { modelBoundMs } from './model-bound.js';
import { pathBoundMs } from './path-bound.js';
import { relax, type UsableVram } from './relaxation.js';
import { releaseBoundMs } from './release-bound.js';
import { exclusiveModels } from './setup-work.js';
import { workBoundMs } from './work-bound.js';

export type BoundName = 'work' | 'release' | 'path' | 'eligibility' | 'model' | 'loader';

export type MakespanBound = {
  /** No scheduler, not even one that knows the future, ends the trace sooner. */
  readonly boundMs: number;
  /** The one of the bounds that is the largest. */
  readonly binds: BoundName;
  readonly boundsMs: Readonly<Record<BoundName, number>>;
};

/** Servers start empty and memory cold, at time 0. A run in which a model was partly on the CPU is outside of what this holds for. */
export const makespanBound = (
  trace: Trace,
  hardware: Hardware,
  usableVramBytes: UsableVram,
): MakespanBound => {
  const relaxation = relax(trace, hardware, usableVramBytes);
  const usableOn = new Map(hardware.servers.map(({ serverId, gpu }) => [serverId, usableVramBytes(gpu)]));
  const exclusive = exclusiveModels(relaxation, usableOn);
  const boundsMs = {
    work: workBoundMs(relaxation, exclusive),
    release: releaseBoundMs(relaxation.tasks),
    path: pathBoundMs(relaxation.tasks),
    eligibility: eligibilityBoundMs(relaxation, exclusive),
    model: modelBoundMs(relaxation),
    loader: loaderBoundMs(relaxation),
  };
  let binds: BoundName = 'work';
  for (const name of Object.keys(boundsMs) as BoundName[]) if (boundsMs[name] > boundsMs[binds]) binds = name;
  return { boundMs: boundsMs[binds], binds, boundsMs };
};
