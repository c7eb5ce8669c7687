import type { ServerSpec } from '#libs/domain/gpu/events.js';
import type { ServerId } from '#libs/domain/ids.js';
import type { PolicySettings } from '#libs/domain/policy/settings.js';
import { rfc3339Of } from '#libs/domain/time.js';
import type { Recording } from './log-recording.js';
import type { Input } from './outside-inputs.js';

/** What is other than it was; absent: as it was, with the changes that were made then. */
export type Change = {
  readonly policy?: PolicySettings;
  /** Instead of all that were there; CPU slots stay as they were. */
  readonly servers?: readonly ServerSpec[];
};

/** What came from outside, less what the change takes the place of. */
export const inputsOf = (
  { inputs, fromMs }: Recording,
  { policy, servers }: Change,
  there: ReadonlyMap<ServerId, { readonly spec: ServerSpec }>,
): readonly Input[] => {
  const kept = policy ? inputs.filter(({ event }) => event.type !== 'policy.changed') : inputs;
  if (servers === undefined) return kept;
  const at = rfc3339Of(fromMs);
  const ids = new Set(servers.map(({ serverId }) => serverId));
  const first: Input[] = [];
  const tell = (event: Extract<Input, { log: 'leases' }>['event']): void =>
    void first.push({ atMs: fromMs, log: 'leases', event });
  for (const [serverId, { spec }] of there)
    if (spec.kind !== 'cpu' && !ids.has(serverId)) tell({ type: 'server.removed', serverId, at });
  for (const server of servers) {
    tell({ type: 'server.configured', server, at });
    if (!there.has(server.serverId))
      tell({ type: 'server.state-changed', serverId: server.serverId, state: 'up', foreign: [], at });
  }
  return [...first, ...kept.filter(({ event }) => !isOfOtherServers(event, ids))];
};

/** Servers are those of the change for the whole window; whether one of them was away is kept from the log. */
const isOfOtherServers = (event: Input['event'], ids: ReadonlySet<ServerId>): boolean => {
  if (event.type === 'server.configured') return event.server.kind !== 'cpu';
  if (event.type === 'server.removed') return true;
  return 'serverId' in event && !ids.has(event.serverId);
};
