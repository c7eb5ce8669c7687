import type { ResidencyId } from '../ids.js';
import type { Server } from './gpu.js';
import { sameModel } from './profile.js';

/**
 * Ollama loads a model beside others only into this share of what is free (server/sched.go); where it does not fit, Ollama makes room by
 * its own choice, which must never happen.
 */
export const BESIDE_SHARE = 0.8;

/** Whether a model can be loaded while these residencies are gone: wholly into an empty server, or beside what is left. */
export const fits = (
  server: Server,
  model: string,
  needBytes: number,
  gone: ReadonlySet<ResidencyId>,
): boolean => {
  let [used, others] = [0, 0];
  for (const { residencyId, bytes } of server.residencies.values()) {
    if (gone.has(residencyId)) continue;
    used += bytes;
    others += 1;
  }
  for (const foreign of server.foreign) {
    if (sameModel(foreign.model, model)) continue;
    used += foreign.bytes;
    others += 1;
  }
  const free = server.spec.vramBytes - used;
  return needBytes <= (others === 0 ? free : free * (server.spec.besideShare ?? BESIDE_SHARE));
};
