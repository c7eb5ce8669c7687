import { integer, oneOf, optionalText, text } from './settings.js';

/** Settings that every service has. */
export const COMMON_SETTINGS = {
  natsUrl: text({
    env: 'NATS_URL',
    meaning: 'Broker to use. The launcher starts its own when this is not set.',
    fallback: 'nats://127.0.0.1:4222',
    pattern: /^(nats|tls):\/\/[^\s]+$/,
    accepts: 'nats://host:port or tls://host:port',
  }),
  natsNkeyFile: optionalText({
    env: 'ORCHESTRA_NKEY_FILE',
    meaning: 'File with the nkey seed with which this service signs in at the broker.',
  }),
  instance: optionalText({
    env: 'ORCHESTRA_INSTANCE',
    meaning: 'Name of this process in logs, leases and health reports. Default: service name and process id.',
    pattern: /^[a-z0-9][a-z0-9-]{0,62}$/,
    accepts: 'lower-case letters, digits and -',
  }),
  logLevel: oneOf({
    env: 'ORCHESTRA_LOG_LEVEL',
    meaning: 'Least severe level that is logged.',
    fallback: 'info',
    values: ['fatal', 'error', 'warn', 'info', 'debug', 'trace'],
  }),
  shutdownGraceMs: integer({
    env: 'ORCHESTRA_SHUTDOWN_GRACE_MS',
    meaning: 'Time for work in flight when a service is asked to stop. Raise it where answers are long.',
    fallback: 10_000,
    min: 0,
    max: 600_000,
    unit: 'milliseconds',
  }),
};

/** Of the services that keep files. */
export const DATA_DIR = text({
  env: 'ORCHESTRA_DATA_DIR',
  meaning:
    'Folder of the read model, results.sqlite (it can be deleted at any time: the log fills it again), of the files of running tasks, work, and of the key that signs answer links, keys/answer-links.key.',
  fallback: 'data',
});

/** Of the services that fold a log. */
export const SNAPSHOT_EVERY_EVENTS = integer({
  env: 'ORCHESTRA_SNAPSHOT_EVERY_EVENTS',
  meaning:
    'Events between two snapshots of a folded state, from which a restarted service goes on instead of reading the whole log. A state of more lines than this waits for as many events as it has lines.',
  fallback: 20_000,
  min: 10,
  max: 10_000_000,
  unit: 'events',
});
