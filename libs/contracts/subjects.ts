/** Every subject on the broker, once. Ids are lower-case letters, digits and `-`, so they are safe as subject tokens. */
export const SUBJECTS = {
  task: (taskId: string, type: string) => `evt.task.${taskId}.${type}`,
  scheduler: (type: string) => `evt.scheduler.${type}`,
  /** What becomes of an upload. */
  upload: (uploadId: string, type: string) => `evt.scheduler.${type}.${uploadId}`,
  lease: (serverId: string, type: string) => `evt.lease.${serverId}.${type}`,
  server: (serverId: string, type: string) => `evt.server.${serverId}.${type}`,
  allocator: (type: string) => `evt.allocator.${type}`,
  command: (kind: string, id: string) => `cmd.${kind}.${id}`,
  report: (taskId: string) => `rpt.${taskId}`,
  /** Tokens and progress of a running task; not stored. */
  live: (taskId: string) => `live.${taskId}`,
  /** A message to people or programs and what was tried: `delivery.<id>`; or how far the log was read: `position`. */
  notifications: 'ntf',
  /** Where a gateway waits for answers to its commands. */
  answers: (gatewayId: string) => `rpl.gateway.${gatewayId}`,
} as const;

/** Request and reply over core NATS. */
export const RPC = {
  /** `GrantRequest` → `GrantReply` (lease-rpc.ts). */
  grantLeases: 'rpc.allocator.grant',
  /** `EnsureResidentRequest` → `EnsureResidentReply`. */
  ensureResident: 'rpc.allocator.ensure-resident',
  /** `PresentRequest` → `PresentReply`: an executor presents tokens and renews. */
  presentLeases: 'rpc.allocator.present',
  /** `GiveBackRequest` → `GiveBackReply`: leases that were granted and will not be used. */
  giveBackLeases: 'rpc.allocator.give-back',
  /** `ListServersRequest` → `ServerView[]`. */
  listServers: 'rpc.allocator.servers',
  /** `DrainRequest` → `ServerReply`. */
  drainServer: 'rpc.allocator.drain',
  /** `PutServerRequest` → `ServerReply`. */
  putServer: 'rpc.allocator.put-server',
  /** `RemoveServerRequest` → `RemoveServerReply`. */
  removeServer: 'rpc.allocator.remove-server',
  /** `QueryRequest` → `QueryReply` (queries.ts). */
  query: 'rpc.results.query',
  /** `PastExplainRequest` → `PastExplainAnswer` (explain.ts): why a task waited at a moment of the past. */
  explainPast: 'rpc.results.explain-past',
  /** `RebuildRequest` → `RebuildReply`: fills the read model anew from the log. */
  rebuildResults: 'rpc.results.rebuild',
  /** `NotifyRequest` → `NotifyReply` (notify-rpc.ts): a step hands over a message. */
  notify: 'rpc.results.notify',
  /** `DeliveriesRequest` → `DeliveriesReply`. */
  deliveries: 'rpc.results.deliveries',
  /** `DeliveryRequest` → `DeliveryReply`. */
  delivery: 'rpc.results.delivery',
  /** `DeliveryRequest` → `DeliveryReply`: sends it once more. */
  resendDelivery: 'rpc.results.resend-delivery',
  /** `TestChannelRequest` → `DeliveryReply`: sends a message that tells of nothing. */
  testChannel: 'rpc.results.test-channel',
  /** `{}` → `ChannelsReply`. */
  channels: 'rpc.results.channels',
  /** `StateDigestRequest` → `StateDigest`: the folded state's position and hash. */
  stateDigest: 'rpc.scheduler.state-digest',
  /** `ExplainRequest` → `ExplainReply` (explain.ts): why a task waits. */
  explain: 'rpc.scheduler.explain',
  /** `QueueRequest` → `QueueReply` (explain.ts): what is ready to run, in its order. */
  queue: 'rpc.scheduler.queue',
  /** `{}` → `Pause[]`: what is paused. */
  pauses: 'rpc.scheduler.pauses',
  /** `ScheduleListRequest` → `ScheduleListReply` (schedule-queries.ts). */
  schedules: 'rpc.scheduler.schedules',
  /** `ScheduleRequest` → `ScheduleReply`. */
  schedule: 'rpc.scheduler.schedule',
  /** `InboxRequest` → `InboxReply` (inbox-queries.ts): what waits for people. */
  inbox: 'rpc.scheduler.inbox',
  /** `QuestionRequest` → `QuestionReply`. */
  question: 'rpc.scheduler.question',
  /** `HealthReport` of each service. */
  health: (service: ServiceName) => `rpc.health.${service}`,
} as const;

export const SERVICES = ['gateway', 'scheduler', 'gpu-allocator', 'executor', 'results'] as const;
export type ServiceName = (typeof SERVICES)[number];

/** One subject token per event type: `task.cancel-requested` → `cancel-requested`, `step.completed` → `step-completed`. */
export const subjectToken = (type: string): string =>
  SHORT.test(type) ? type.slice(type.indexOf('.') + 1) : type.replace('.', '-');

/** Types whose first word stands in the subject already, or that are unique without it. */
const SHORT = /^(task|server|lease)\.|^step\.dispatched$/;
