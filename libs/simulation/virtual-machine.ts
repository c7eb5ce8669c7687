import type { Hardware } from './hardware.js';
import type { Random } from './random.js';
import type { VirtualClock } from './virtual-clock.js';
import { VirtualHost } from './virtual-host.js';
import { VirtualServer } from './virtual-server.js';

/** Switches a machine on: nothing is loaded, the page cache is empty. */
export const startServers = (
  hardware: Hardware,
  clock: VirtualClock,
  random: Random,
): readonly VirtualServer[] => {
  const host = new VirtualHost(clock, hardware.host);
  return hardware.servers.map((server) => new VirtualServer(clock, host, random, server));
};
