import type { ForeignModel, ServerStateChanged } from './events.js';

/** How a server is, and whether anybody wants it to work. */
export type Condition = {
  /**
   * Placements are made where this is `up`: where it is well, and nobody has it drained. `paused` is in no ledger: a plan is shown
   * it of a server that is to take nothing new.
   */
  readonly state: Health | 'draining' | 'drained' | 'paused';
  /** As it was seen last. */
  readonly health: Health;
  readonly drain: Drain | null;
  readonly version?: string;
  readonly reason?: string;
  readonly foreign: readonly ForeignModel[];
};

export type Health = 'unknown' | 'up' | 'down' | 'suspect';

export type Drain = {
  readonly reason: string;
  readonly since: string;
  /** Nothing is leased and nothing loaded there any more. */
  readonly done: boolean;
};

export const seenAs = <S extends Condition>(server: S, event: ServerStateChanged): S => {
  const { version: _, reason: __, ...kept } = server;
  return {
    ...(kept as S),
    state: stateOf(event.state, server.drain),
    health: event.state,
    foreign: event.foreign,
    ...(event.version === undefined ? {} : { version: event.version }),
    ...(event.reason === undefined ? {} : { reason: event.reason }),
  };
};

export const drainedAs = <S extends Condition>(server: S, drain: Drain | null): S => ({
  ...server,
  drain,
  state: stateOf(server.health, drain),
});

/** What is wrong with a server says more than that it is drained. */
const stateOf = (health: Health, drain: Drain | null): Condition['state'] =>
  health !== 'up' || drain === null ? health : drain.done ? 'drained' : 'draining';
