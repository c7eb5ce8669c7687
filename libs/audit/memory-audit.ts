import type { ResidencyId } from '#libs/domain/ids.js';
import type { ForeignModel, GpuEvent, ServerSpec } from '#libs/domain/gpu/events.js';

type Resident = {
  readonly model: string;
  readonly bytes: number;
  readonly slots: number;
  readonly state: 'loading' | 'loaded' | 'unloading';
};

/** Events that say what is in the memory of a server. */
export type MemoryEvent = Extract<
  GpuEvent,
  { readonly type: `residency.${string}` | 'server.state-changed' }
>;

/** What is in the memory of one server: bytes count from the beginning of a load to the end of an unload. */
export class MemoryAudit {
  readonly #residents = new Map<ResidencyId, Resident>();
  #foreign: readonly ForeignModel[] = [];

  /** Slots of what is loaded and open; null for everything else. */
  slotsOf(residencyId: ResidencyId): number | null {
    const resident = this.#residents.get(residencyId);
    return resident?.state === 'loaded' ? resident.slots : null;
  }

  /** Answers what no longer fits, if it is this event that made it so. */
  take(event: MemoryEvent, spec: ServerSpec): string | null {
    switch (event.type) {
      case 'server.state-changed':
        // What others load there is not decided here; it counts against what is loaded from now on.
        this.#foreign = event.foreign;
        return null;
      case 'residency.load-started': {
        const { bytes, slots, profile } = event;
        this.#residents.set(event.residencyId, { model: profile.model, bytes, slots, state: 'loading' });
        return this.#overBy(spec, this.#foreignBytes(profile.model));
      }
      case 'residency.loaded': {
        const reserved = this.#residents.get(event.residencyId)?.bytes ?? 0;
        this.#change(event.residencyId, { bytes: event.bytes, state: 'loaded' });
        this.#takeOver(event.residencyId);
        return event.bytes > reserved ? this.#overBy(spec, 0) : null;
      }
      case 'residency.unload-started':
        this.#change(event.residencyId, { state: 'unloading' });
        return null;
      case 'residency.load-failed':
      case 'residency.unloaded':
        this.#residents.delete(event.residencyId);
        return null;
    }
  }

  #change(residencyId: ResidencyId, to: Partial<Resident>): void {
    const was = this.#residents.get(residencyId);
    if (was) this.#residents.set(residencyId, { ...was, ...to });
  }

  #takeOver(residencyId: ResidencyId): void {
    const ours = this.#residents.get(residencyId)?.model ?? '';
    this.#foreign = this.#foreign.filter(({ model }) => tagged(model) !== tagged(ours));
  }

  /** The load of a model that somebody else has loaded takes that one over. */
  #foreignBytes(loading: string): number {
    return this.#foreign.reduce(
      (sum, { model, bytes }) => sum + (tagged(model) === tagged(loading) ? 0 : bytes),
      0,
    );
  }

  #overBy({ serverId, vramBytes }: ServerSpec, foreignBytes: number): string | null {
    let taken = foreignBytes;
    for (const { bytes } of this.#residents.values()) taken += bytes;
    return taken > vramBytes ? `${taken} bytes are taken on ${serverId}, which has ${vramBytes}` : null;
  }
}

/** A name without a tag means `latest`. */
const tagged = (model: string): string => (/:[^/]*$/.test(model) ? model : `${model}:latest`);
