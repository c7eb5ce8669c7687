/** JetStream streams and buckets: name, subjects and limits, once. Provisioning creates exactly these. */
export type StreamSpec = {
  readonly name: string;
  readonly subjects: readonly string[];
  readonly description: string;
  /** Truth streams keep everything and refuse deletes; request streams forget after `maxAgeMs`; records keep the last of each subject. */
  readonly kind: 'truth' | 'requests' | 'records';
  readonly maxAgeMs: number;
  readonly duplicateWindowMs: number;
};

const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;

export const STREAMS = {
  tasks: {
    name: 'TASKS',
    subjects: ['evt.task.>', 'evt.scheduler.>'],
    description: 'Facts about tasks. One writer: the leading scheduler.',
    kind: 'truth',
    maxAgeMs: 0,
    duplicateWindowMs: 10 * MINUTE_MS,
  },
  leases: {
    name: 'LEASES',
    subjects: ['evt.lease.>', 'evt.server.>', 'evt.allocator.>'],
    description: 'Facts about servers, residencies and leases. One writer: the leading allocator.',
    kind: 'truth',
    maxAgeMs: 0,
    duplicateWindowMs: 10 * MINUTE_MS,
  },
  commands: {
    name: 'COMMANDS',
    subjects: ['cmd.>'],
    description: 'Requests of clients, written by the gateway.',
    kind: 'requests',
    maxAgeMs: 7 * DAY_MS,
    duplicateWindowMs: 10 * MINUTE_MS,
  },
  reports: {
    name: 'REPORTS',
    subjects: ['rpt.>'],
    description: 'Observations of executors.',
    kind: 'requests',
    maxAgeMs: 7 * DAY_MS,
    duplicateWindowMs: 10 * MINUTE_MS,
  },
  notifications: {
    name: 'NOTIFICATIONS',
    subjects: ['ntf.>'],
    description:
      'Messages to people and programs, each with what was tried, and how far the log was read for them.',
    kind: 'records',
    maxAgeMs: 0,
    duplicateWindowMs: 2 * MINUTE_MS,
  },
} as const satisfies Record<string, StreamSpec>;

export const BUCKETS = {
  /** Liveness leases of leaders; never truth. */
  leaders: { name: 'leaders', ttlMs: 6_000 },
  /** Folded states. */
  snapshots: { name: 'snapshots' },
  /** Artifacts of tasks: what is too large for an event. Writing is refused when it is full. */
  artifacts: { name: 'artifacts', maxBytes: 20 * 1024 * 1024 * 1024 },
} as const;

/** The durable pull consumer that all executors share; each dispatch is delivered to one of them, once. */
export const DISPATCH_CONSUMER = {
  stream: STREAMS.tasks.name,
  name: 'executors',
  filterSubject: 'evt.task.*.dispatched',
} as const;

/** Payload ceiling of one message; the server's default of 1 MiB less room for headers. */
export const MESSAGE_MAX_BYTES = 960 * 1024;
