/** What the platform promises of its log. A log in which one of these is broken was not written by a sound platform. */
export const PROMISES = {
  1: 'A task that was accepted is never lost, and ends once.',
  2: 'A step starts only after everything that it needs is done.',
  3: 'What is loaded fits into the memory of its server, and what is leased into its slots.',
  4: 'One attempt of a step counts at a time, and only that one has an effect.',
  5: 'The log from its start gives the state that the scheduler has, byte for byte.',
  6: 'A task starts by the moment that it was promised, while servers stay and nothing is repeated.',
  7: 'A task that is over holds no lease, and a slot is free only when its attempt has ended.',
  10: 'What is paused starts nothing.',
  11: 'Only what waits is moved, and only within the queue of its workspace.',
  12: 'A schedule fires once for each of its times, in its time and with its task.',
  13: 'A step waits once, ends by its time or by one answer, and nothing of it happens before its time.',
  14: 'A secret stands in the log by its name alone.',
  15: 'The steps at the end of a task run when all others have ended, however they did, and before it is over.',
  16: 'An artifact is there until the log says that it was removed, once, after its task.',
  17: 'A step that is a task has one task at a time, which ends before it.',
  8: 'A loss or a change of the log is found.',
} as const satisfies Readonly<Record<number, string>>;

export type Promised = keyof typeof PROMISES;

type Rule = { readonly promise: Promised; readonly says: string };

/** Every way of breaking them that is looked for. The README's table is made from this. */
export const RULES = {
  SUBMISSION_LOST: { promise: 1, says: 'A stored submission was passed over: no task, and no refusal.' },
  WORKFLOW_INCOMPLETE: {
    promise: 1,
    says: 'A workflow was accepted, and something else happened before all of its tasks had begun.',
  },
  SUBMITTED_TWICE: { promise: 1, says: 'A task began twice.' },
  NOT_SUBMITTED: { promise: 1, says: 'An event is about a task that never began.' },
  ENDED_TWICE: { promise: 1, says: 'An event came after the end of its task.' },
  ENDED_TOO_EARLY: { promise: 1, says: 'A task was completed before all of its steps were over.' },
  STILL_OPEN: { promise: 1, says: 'A task has not ended. Looked for with `--settled` only.' },
  RERUN_WRONGLY: {
    promise: 2,
    says: 'A task repeats one that was not over, or keeps a step that did not end so there.',
  },
  CONDITION_PASSED_OVER: {
    promise: 2,
    says: 'A step with a condition started before it was found true, or though it was left out.',
  },
  CONDITION_DECIDED_WRONGLY: {
    promise: 2,
    says: 'It was decided whether a step runs that has no condition, was decided about before, or needs something that was not over.',
  },
  ITEMS_WRONGLY: {
    promise: 2,
    says: 'Items of a step began before it was said how many there are, twice, more at once than may be, or one that is not in the list.',
  },
  ABANDONED_WRONGLY: {
    promise: 1,
    says: 'A task went on without a step that failed, and its template does not say that it may.',
  },
  NEEDS_NOT_DONE: {
    promise: 2,
    says: 'A step started before a step or a task that it needs, or although one failed that must not.',
  },
  STARTED_TOO_EARLY: { promise: 2, says: 'A step started before the time from which its task may run.' },
  EXPIRED_WRONGLY: {
    promise: 1,
    says: 'A task failed for its time in the queue before that was over, or though it had started.',
  },
  MEMORY_OVERCOMMITTED: { promise: 3, says: 'More bytes are taken on a server than it has.' },
  SLOTS_OVERCOMMITTED: { promise: 3, says: 'More leases are live than there are slots.' },
  PLACE_NOT_OPEN: {
    promise: 3,
    says: 'A lease was granted where nothing is loaded, or on a server that is being drained.',
  },
  UNLOADED_IN_USE: { promise: 3, says: 'A model was unloaded, or a server removed, under live leases.' },
  STARTED_TWICE: { promise: 4, says: 'An attempt started while another one of its step was under way.' },
  ATTEMPTS_OUT_OF_ORDER: {
    promise: 4,
    says: 'The number or the token of an attempt is not behind the last.',
  },
  NOT_THE_CURRENT_ATTEMPT: {
    promise: 4,
    says: 'An outcome counted that is not that of the current attempt.',
  },
  NOT_GRANTED: { promise: 4, says: 'An attempt started under a lease that was not granted to it.' },
  GRANTED_TWICE: {
    promise: 4,
    says: 'A lease was granted under an id that is live, has expired, or that an attempt has used.',
  },
  NOT_LIVE: { promise: 4, says: 'A lease was closed that was not live on that server.' },
  STATE_DIFFERS: { promise: 5, says: 'The state of the scheduler is not what the log says.' },
  STARTED_LATE: {
    promise: 6,
    says: 'A task started after the moment that its submission was promised, and nothing had happened that voids the promise.',
  },
  STARTED_WHILE_ENDING: { promise: 7, says: 'An attempt started after its task was asked to stop.' },
  ENDED_WHILE_RUNNING: { promise: 7, says: 'A task ended while an attempt of it was under way.' },
  SLOT_GIVEN_AWAY: { promise: 7, says: 'A slot was freed before its attempt had ended.' },
  LEASE_LEFT_BEHIND: { promise: 7, says: 'A lease is live though its attempt has ended.' },
  LEASE_GONE: { promise: 7, says: 'An attempt is under way though its lease is closed.' },
  STARTED_WHILE_PAUSED: { promise: 10, says: 'An attempt started in a scope that was paused.' },
  MOVED_WRONGLY: {
    promise: 11,
    says: 'A task was moved of which nothing waited, or next to one that was not open in its workspace.',
  },
  FIRED_WITHOUT_TASK: {
    promise: 12,
    says: 'A schedule fired, and something else happened before its task had begun.',
  },
  FIRED_TWICE: { promise: 12, says: 'A schedule fired for a time for which, or after which, it had fired.' },
  FIRED_WHILE_PAUSED: { promise: 12, says: 'A schedule fired by itself while it was paused.' },
  FIRED_WRONGLY: {
    promise: 12,
    says: 'A schedule fired before its time or when it was not there, or a task of it began without a firing.',
  },
  WAITED_WRONGLY: {
    promise: 13,
    says: 'A step waited that does not wait or was not to yet, or something of it happened before its time.',
  },
  ANSWERED_WRONGLY: {
    promise: 13,
    says: 'A step was answered that did not ask, was answered before, or asked something else.',
  },
  SECRET_WRONGLY: {
    promise: 14,
    says: 'An attempt was given secrets for another template or workspace than its own, or at a place where its input does not name them.',
  },
  FINALLY_WRONGLY: {
    promise: 15,
    says: 'A step that runs at the end of its task started before all others had ended, the task was over without it, or it ended otherwise than it had come there.',
  },
  ARTIFACT_WRONGLY: {
    promise: 16,
    says: 'An artifact was removed that was not there, or before its task was over, or two lie at one place.',
  },
  CHILD_WRONGLY: {
    promise: 17,
    says: 'A task began for a step that did not wait for it next, or the step or its task went on before it had ended, or otherwise than it.',
  },
  EVENTS_MISSING: { promise: 8, says: 'A sequence is missing, or comes twice.' },
  HASH_BROKEN: { promise: 8, says: 'An event does not carry the hash of the one before it.' },
  GENESIS_WRONG: { promise: 8, says: 'The log does not begin with `log.started`.' },
  WRITER_WRONG: { promise: 8, says: 'An event was written by one who did not lead at that place.' },
  NOT_READABLE: { promise: 8, says: 'A message is no event, or its data are not as its type says.' },
} as const satisfies Readonly<Record<string, Rule>>;

export type RuleName = keyof typeof RULES;
