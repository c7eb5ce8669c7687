import { compareVersions } from '#libs/contracts/server-version.js';
import { PLUGIN_SUBJECTS } from '#libs/contracts/plugin-wire.js';
import { BROKER_USERS, OUTSIDE, permissionsOf, type BrokerUser } from './permissions.js';

export type Durability = 'power-safe' | 'process-safe';

export type ServerConfigOptions = {
  readonly port: number;
  readonly storeDir: string;
  readonly durability: Durability;
  readonly serverVersion: string;
  /** Public nkey of each user. */
  readonly publicKeys: Readonly<Record<BrokerUser, string>>;
};

/** First release that knows `sync_interval: always`. */
const SYNC_ALWAYS_SINCE = '2.10.0';

/** Truth on disk is bounded by the disk; what is in memory is consumers' state. */
const MEMORY_MAX_BYTES = 256 * 1024 * 1024;

/** Whether this server can sync each message before it acknowledges it. */
export const canSyncAlways = (version: string): boolean => compareVersions(version, SYNC_ALWAYS_SINCE) >= 0;

/** The nats-server.conf. It holds public keys only, so reading it gives nobody anything; what it includes has the workers of step types. */
export const serverConfig = (options: ServerConfigOptions): string => {
  const sync = options.durability === 'power-safe' && canSyncAlways(options.serverVersion);
  return [
    '# Written by the launcher at each start; changes here are lost.',
    'include ./name.conf',
    'host: 127.0.0.1',
    `port: ${options.port}`,
    'max_payload: 1MB',
    'max_connections: 1024',
    'write_deadline: 10s',
    'jetstream {',
    `  store_dir: ${JSON.stringify(options.storeDir)}`,
    `  max_memory_store: ${MEMORY_MAX_BYTES}`,
    ...(sync ? ['  sync_interval: always'] : []),
    '}',
    ...accounts(options.publicKeys),
    '',
  ].join('\n');
};

/**
 * Services and subscribers from outside have an account each. Inside one account a request may name any reply subject, and a consumer any
 * delivery subject, and the server then writes there whatever the asker may not: permissions do not hold it back. Between
 * accounts it can only answer the asker.
 */
const accounts = (publicKeys: ServerConfigOptions['publicKeys']): readonly string[] => {
  const inside = BROKER_USERS.filter((user) => user !== 'subscriber');
  const imported = (kind: string, subject: string): string =>
    `      { ${kind}: { account: ORCHESTRA, subject: ${JSON.stringify(subject)} } }`;
  return [
    'accounts {',
    '  ORCHESTRA {',
    '    jetstream: enabled',
    '    users: [',
    ...inside.map((user) => userEntry(user, publicKeys[user])),
    '    ]',
    '    exports: [',
    ...OUTSIDE.heard.map((subject) => `      { stream: ${JSON.stringify(subject)} }`),
    ...OUTSIDE.asked.map((subject) => `      { service: ${JSON.stringify(subject)}, response_type: Stream }`),
    ...[PLUGIN_SUBJECTS.allHellos, PLUGIN_SUBJECTS.allFrom].map(
      (subject) => `      { service: "${subject}" }`,
    ),
    `      { stream: "${PLUGIN_SUBJECTS.allTo}" }`,
    '    ]',
    '  }',
    '  OUTSIDE {',
    '    users: [',
    userEntry('subscriber', publicKeys.subscriber),
    '    ]',
    '    imports: [',
    ...OUTSIDE.heard.map((subject) => imported('stream', subject)),
    ...OUTSIDE.asked.map((subject) => imported('service', subject)),
    '    ]',
    '  }',
    '  include ./plugins.conf',
    '}',
  ];
};

const userEntry = (user: BrokerUser, publicKey: string): string => {
  const { publish, subscribe } = permissionsOf(user);
  const list = (subjects: readonly string[]): string =>
    `[${subjects.map((subject) => JSON.stringify(subject)).join(', ')}]`;
  return `    { nkey: ${publicKey}, permissions: { publish: { allow: ${list(publish)} }, subscribe: { allow: ${list(subscribe)} } } }`;
};
