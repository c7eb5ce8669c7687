import type { SimModel } from './hardware.js';

/** A model that occupies VRAM. */
export type Resident = {
  readonly model: SimModel;
  readonly bytes: number;
  readonly state: 'loading' | 'loaded' | 'unloading';
  /** Requests that have a slot, and those that wait for one; at most `slots` run. */
  readonly running: number;
  readonly waiting: number;
};

/** What a server keeps of it. */
export type Held = {
  readonly model: SimModel;
  readonly bytes: number;
  state: Resident['state'];
  running: number;
  readonly waiting: (() => void)[];
  /** Who waits for its unload. */
  readonly gone: (() => void)[];
  /** Takes back the next step of its load or unload. */
  cancel: () => void;
};

export const asResident = ({ model, bytes, state, running, waiting }: Held): Resident => ({
  model,
  bytes,
  state,
  running,
  waiting: waiting.length,
});
