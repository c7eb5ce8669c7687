import type { Death, Outage, SlowUnload } from './trace.js';
import type { VirtualClock } from './virtual-clock.js';
import type { VirtualServer } from './virtual-server.js';

/** How often it is looked whether a server does what it is to die of. */
const LOOK_MS = 250;

/** A load has read something of its model by then; none is over sooner. */
const INTO_LOAD_MS = 900;

/**
 * Lets go wrong what the trace says. Which load or unload is hit follows from what the scheduler does, so that each one is hit
 * in the same way, if not at the same millisecond; who unloads nothing on a server has no unload that sticks. Throws for a server
 * that the machine does not have.
 */
export const playOutages = (
  outages: readonly Outage[],
  servers: readonly VirtualServer[],
  clock: VirtualClock,
): void => {
  for (const outage of outages) {
    const server = servers[outage.server];
    if (server === undefined)
      throw new RangeError(
        `outage of server ${outage.server} — expected one of the ${servers.length} servers, from 0`,
      );
    clock.at(outage.fromMs, () =>
      outage.kind === 'death' ? awaitDeath(outage, server, clock) : slowDown(outage, server, clock),
    );
  }
};

const awaitDeath = (death: Death, server: VirtualServer, clock: VirtualClock): void => {
  const isIn = death.during === 'load' ? (server.loadingForMs ?? 0) >= INTO_LOAD_MS : server.isWorking;
  if (isIn || clock.nowMs >= death.byMs) return takeAway(server, death.downMs, clock);
  clock.after(Math.min(LOOK_MS, death.byMs - clock.nowMs), () => awaitDeath(death, server, clock));
};

const slowDown = (slow: SlowUnload, server: VirtualServer, clock: VirtualClock): void =>
  server.slowNextUnload(slow.lastsMs ?? Infinity, () => {
    const { deaths } = server;
    if ((slow.lastsMs ?? Infinity) <= slow.restartAfterMs) return;
    // A server that died meanwhile has lost the unload with everything else.
    clock.after(slow.restartAfterMs, () => {
      if (server.deaths === deaths) takeAway(server, slow.restartMs, clock);
    });
  });

const takeAway = (server: VirtualServer, forMs: number, clock: VirtualClock): void => {
  if (!server.isUp) return;
  server.die();
  clock.after(forMs, () => server.comeBack());
};
