import type { Failure } from '#libs/domain/errors.js';
import type { AllocatorEvent, GpuEvent, ServerSpec } from '#libs/domain/gpu/events.js';
import { loadKey } from '#libs/domain/gpu/observed-bytes.js';
import { profileKey, type ModelProfile } from '#libs/domain/gpu/profile.js';
import type { ResidencyId, ServerId } from '#libs/domain/ids.js';
import { loadMsOf, UNLOAD_MS } from '#libs/domain/policy/pace.js';

/** How a load goes: how long it takes, what the model takes then, and the failure of one that can never succeed. */
export type LoadCourse = { readonly tookMs: number; readonly failure: Failure | null };

type Begun = { readonly profile: ModelProfile; readonly slots: number; readonly startMs: number };

/**
 * What loads and unloads took, and what models took in memory, from the facts of `LEASES`. Times in the order in which they were seen
 * from `fromMs` on: the third load of a model on a server takes what its third load took, so that first loads from a cold disk and
 * repeated ones from memory stay what they were; when all are used up, the median of them.
 */
export class SwapRecord {
  readonly #loads = new Map<string, number[]>();
  readonly #unloads = new Map<ServerId, number[]>();
  readonly #failures = new Map<string, LoadCourse & { readonly failure: Failure }>();
  /** Models that were loaded at any time of the log. */
  readonly #loadedEver = new Set<string>();
  readonly #bytes = new Map<string, number>();
  readonly #largest = new Map<string, number>();
  readonly #begun = new Map<ResidencyId, Begun>();
  readonly #unloading = new Map<ResidencyId, number>();
  readonly #lastUnloadMs = new Map<ServerId, number>();
  readonly #specs = new Map<ServerId, ServerSpec>();
  /** When swaps that were under way at `fromMs` were over. */
  readonly endsMs = new Map<ResidencyId, number>();
  readonly #guessed = new Set<string>();
  failedLoads = 0;

  constructor(private readonly fromMs: number) {}

  take(event: GpuEvent | AllocatorEvent, atMs: number): void {
    switch (event.type) {
      case 'server.configured':
        this.#specs.set(event.server.serverId, event.server);
        return;
      case 'residency.load-started': {
        const { residencyId, profile, slots, serverId, bytes } = event;
        this.#begun.set(residencyId, { profile, slots, startMs: atMs });
        this.#weigh(serverId, profile, slots, bytes, false);
        return;
      }
      case 'residency.loaded':
        return this.#loaded(event, atMs);
      case 'residency.load-failed':
        return this.#loadFailed(event, atMs);
      case 'residency.unload-started':
        this.#unloading.set(event.residencyId, atMs);
        return;
      case 'residency.unloaded':
        return this.#unloaded(event, atMs);
      default:
        return;
    }
  }

  #loaded(
    { residencyId, serverId, bytes }: Extract<GpuEvent, { type: 'residency.loaded' }>,
    atMs: number,
  ): void {
    const begun = this.#begun.get(residencyId);
    if (begun === undefined) return;
    const { profile, slots, startMs } = begun;
    const key = profileKey(profile);
    this.#loadedEver.add(key);
    this.#weigh(serverId, profile, slots, bytes, true);
    if (startMs >= this.fromMs) push(this.#loads, `${serverId} ${key}`, atMs - startMs);
    else if (atMs >= this.fromMs) this.endsMs.set(residencyId, atMs);
  }

  #loadFailed(
    { residencyId, failure }: Extract<GpuEvent, { type: 'residency.load-failed' }>,
    atMs: number,
  ): void {
    const begun = this.#begun.get(residencyId);
    if (begun === undefined) return;
    this.#failures.set(profileKey(begun.profile), { tookMs: atMs - begun.startMs, failure });
    if (atMs >= this.fromMs) this.failedLoads += 1;
    if (begun.startMs < this.fromMs && atMs >= this.fromMs) this.endsMs.set(residencyId, atMs);
  }

  /** Several that go together are closed at once and go one by one: each takes from the end of the one before it. */
  #unloaded(
    { residencyId, serverId }: Extract<GpuEvent, { type: 'residency.unloaded' }>,
    atMs: number,
  ): void {
    const startMs = this.#unloading.get(residencyId);
    this.#unloading.delete(residencyId);
    if (startMs === undefined) return;
    const beganMs = Math.max(startMs, this.#lastUnloadMs.get(serverId) ?? 0);
    this.#lastUnloadMs.set(serverId, atMs);
    if (startMs >= this.fromMs) push(this.#unloads, serverId, atMs - beganMs);
    else if (atMs >= this.fromMs) this.endsMs.set(residencyId, atMs);
  }

  #weigh(serverId: ServerId, profile: ModelProfile, slots: number, bytes: number, isSeen: boolean): void {
    const device = this.#specs.get(serverId)?.device ?? 'gpu';
    const key = loadKey(device, profile, slots);
    const known = this.#bytes.get(key);
    // What it really took counts more than what it was thought to take.
    this.#bytes.set(key, isSeen ? bytes : (known ?? bytes));
    const ofProfile = profileKey(profile);
    this.#largest.set(ofProfile, Math.max(this.#largest.get(ofProfile) ?? 0, this.#bytes.get(key) ?? 0));
  }

  /** Bytes by profile, as a policy asks for them. */
  get knownBytes(): ReadonlyMap<string, number> {
    return this.#largest;
  }

  bytesOn({ device, slots }: ServerSpec, profile: ModelProfile): number {
    const seen = this.#bytes.get(loadKey(device, profile, slots));
    if (seen === undefined) this.#guessed.add(profileKey(profile));
    return seen ?? this.#largest.get(profileKey(profile)) ?? 0;
  }

  /** Models, by profile, whose size was asked for where it was not seen. */
  get guessed(): readonly string[] {
    return [...this.#guessed].toSorted();
  }

  /** Of the load with this number, from 0, of a profile on a server. */
  loadOf(serverId: ServerId, profile: ModelProfile, nth: number): LoadCourse {
    const key = profileKey(profile);
    const failed = this.#loadedEver.has(key) ? undefined : this.#failures.get(key);
    if (failed) return failed;
    const here = this.#loads.get(`${serverId} ${key}`) ?? [];
    const anywhere = [...this.#loads].flatMap(([place, took]) => (place.endsWith(` ${key}`) ? took : []));
    return { tookMs: here[nth] ?? medianOf(here) ?? medianOf(anywhere) ?? this.#guessMs(key), failure: null };
  }

  unloadMs(serverId: ServerId, nth: number): number {
    const here = this.#unloads.get(serverId) ?? [];
    return here[nth] ?? medianOf(here) ?? medianOf([...this.#unloads.values()].flat()) ?? UNLOAD_MS;
  }

  /** In proportion to its bytes, as other models were loaded. */
  #guessMs(key: string): number {
    const bytes = this.#largest.get(key) ?? 0;
    const paces = [...this.#loads].flatMap(([place, took]) => {
      const other = this.#largest.get(place.slice(place.indexOf(' ') + 1)) ?? 0;
      return other > 0 ? took.map((ms) => ms / other) : [];
    });
    const pace = medianOf(paces);
    return pace === null || bytes === 0 ? loadMsOf(undefined) : pace * bytes;
  }
}

const push = <Key>(map: Map<Key, number[]>, key: Key, value: number): void => {
  const list = map.get(key);
  if (list) list.push(value);
  else map.set(key, [value]);
};

const medianOf = (values: readonly number[]): number | null =>
  values.toSorted((a, b) => a - b)[Math.floor((values.length - 1) / 2)] ?? null;
