import { BUCKETS, DISPATCH_CONSUMER, STREAMS } from '#libs/contracts/streams.js';
import { PLUGIN_SUBJECTS } from '#libs/contracts/plugin-wire.js';
import { RPC, SERVICES, SUBJECTS, type ServiceName } from '#libs/contracts/subjects.js';

/**
 * Who signs in at the broker: the five services, the launcher that provisions, the operator's own reader of the log, and
 * subscribers from outside. The last are the only ones whose key may be given away.
 */
export const BROKER_USERS = [...SERVICES, 'admin', 'observer', 'subscriber'] as const;
export type BrokerUser = (typeof BROKER_USERS)[number];

export type Permissions = { readonly publish: readonly string[]; readonly subscribe: readonly string[] };

const { tasks, leases, commands, reports, notifications } = STREAMS;

/** Reading a stream in order: its state, single messages, and consumers that live as long as the reader. */
const reads = (...streams: readonly { readonly name: string }[]): readonly string[] => [
  '$JS.API.INFO',
  ...streams.flatMap(({ name }) => [
    `$JS.API.STREAM.INFO.${name}`,
    `$JS.API.STREAM.MSG.GET.${name}`,
    `$JS.API.DIRECT.GET.${name}`,
    `$JS.API.DIRECT.GET.${name}.>`,
    `$JS.API.CONSUMER.CREATE.${name}`,
    `$JS.API.CONSUMER.CREATE.${name}.>`,
    `$JS.API.CONSUMER.INFO.${name}.>`,
    `$JS.API.CONSUMER.DELETE.${name}.>`,
    `$JS.API.CONSUMER.MSG.NEXT.${name}.>`,
    `$JS.ACK.${name}.>`,
    `$JS.ACK.*.*.${name}.>`,
    `$JS.FC.${name}.>`,
  ]),
];

/** With `office`, it may stand for that one alone. */
const leads = (office = '>'): readonly string[] => [
  ...reads({ name: `KV_${BUCKETS.leaders.name}` }),
  `$KV.${BUCKETS.leaders.name}.${office}`,
];

const keepsNotifications = (): readonly string[] => [
  ...reads(notifications),
  `$JS.API.STREAM.PURGE.${notifications.name}`,
  `${SUBJECTS.notifications}.>`,
];

const snapshots = (): readonly string[] => [
  ...reads({ name: `OBJ_${BUCKETS.snapshots.name}` }),
  `$JS.API.STREAM.PURGE.OBJ_${BUCKETS.snapshots.name}`,
  `$O.${BUCKETS.snapshots.name}.>`,
];

const ARTIFACTS = { name: `OBJ_${BUCKETS.artifacts.name}` };

/** What was written stays: only who collects takes anything away. */
const storesArtifacts = (): readonly string[] => [...reads(ARTIFACTS), `$O.${BUCKETS.artifacts.name}.>`];

const collectsArtifacts = (): readonly string[] => [
  ...reads(ARTIFACTS),
  `$JS.API.STREAM.PURGE.${ARTIFACTS.name}`,
  SUBJECTS.command('remove-artifacts', '*'),
];

/** Answers go to the asker's inbox: each user has an inbox prefix of its own, so nobody reads another's. */
const answersTo = (...users: readonly BrokerUser[]): readonly string[] => users.map(inbox);

const inbox = (user: BrokerUser): string => `_INBOX_${user}.>`;

/** Where a request from another account wants its answer: the server makes such a subject, and takes one answer there. */
const PLUGIN_REPLIES = '_R_.>';

const SERVICE_PERMISSIONS: Readonly<Record<ServiceName, Permissions>> = {
  gateway: {
    publish: ['cmd.>', 'rpc.>', ...answersTo('gateway'), ...reads(tasks, leases), ...storesArtifacts()],
    subscribe: [
      'rpl.gateway.>',
      'live.>',
      PLUGIN_SUBJECTS.allHellos,
      PLUGIN_SUBJECTS.unusable,
      RPC.health('gateway'),
    ],
  },
  scheduler: {
    publish: [
      'evt.task.>',
      'evt.scheduler.>',
      'rpc.allocator.>',
      'rpl.gateway.>',
      ...answersTo('gateway', 'observer'),
      ...reads(tasks, leases, commands, reports),
      ...leads(),
      ...snapshots(),
    ],
    subscribe: ['rpc.scheduler.>', PLUGIN_SUBJECTS.allHellos, RPC.health('scheduler')],
  },
  'gpu-allocator': {
    publish: [
      'evt.lease.>',
      'evt.server.>',
      'evt.allocator.>',
      ...answersTo('gateway', 'scheduler', 'executor'),
      ...reads(tasks, leases),
      ...leads(),
      ...snapshots(),
    ],
    subscribe: ['rpc.allocator.>', RPC.health('gpu-allocator')],
  },
  executor: {
    publish: [
      'rpt.>',
      'live.>',
      PLUGIN_SUBJECTS.allHellos,
      PLUGIN_SUBJECTS.allTo,
      PLUGIN_SUBJECTS.unusable,
      PLUGIN_REPLIES,
      RPC.presentLeases,
      RPC.listServers,
      RPC.notify,
      ...answersTo('gateway'),
      ...reads(tasks),
      ...storesArtifacts(),
      `$JS.API.CONSUMER.INFO.${DISPATCH_CONSUMER.stream}.${DISPATCH_CONSUMER.name}`,
    ],
    subscribe: [PLUGIN_SUBJECTS.allHellos, PLUGIN_SUBJECTS.allFrom, RPC.health('executor')],
  },
  results: {
    publish: [
      ...answersTo('gateway', 'admin', 'executor'),
      ...reads(tasks, leases, { name: `OBJ_${BUCKETS.snapshots.name}` }),
      ...leads('notifier'),
      ...keepsNotifications(),
      ...collectsArtifacts(),
    ],
    subscribe: ['rpc.results.>', RPC.health('results')],
  },
};

/** Stored facts are said again as `pub.<their subject>`, with `Nats-Stream` and `Nats-Sequence` headers. */
export const OUTSIDE_PREFIX = 'pub';

/**
 * What subscribers from outside get: facts and tokens as they come, and stored facts one by one. No consumers: creating one is a way to
 * have the server write (see server-config.ts).
 */
export const OUTSIDE = {
  heard: [`${OUTSIDE_PREFIX}.evt.>`, 'live.>'],
  asked: [tasks, leases].flatMap(({ name }) => [
    `$JS.API.DIRECT.GET.${name}`,
    `$JS.API.DIRECT.GET.${name}.>`,
  ]),
} as const;

/** Least privilege: who may write which subject is what makes a stream's single writer more than a convention. */
export const permissionsOf = (user: BrokerUser): Permissions => {
  switch (user) {
    case 'admin':
      return { publish: ['$JS.API.>', '$KV.>', '$O.>', RPC.rebuildResults], subscribe: [inbox(user)] };
    case 'observer':
      return {
        publish: [...reads(tasks, leases, commands), RPC.stateDigest],
        subscribe: [inbox(user), ...OUTSIDE.heard],
      };
    case 'subscriber':
      return { publish: OUTSIDE.asked, subscribe: [inbox(user), ...OUTSIDE.heard] };
    default: {
      const { publish, subscribe } = SERVICE_PERMISSIONS[user];
      return { publish, subscribe: [inbox(user), ...subscribe] };
    }
  }
};
