/**
 * The one catalogue of everything that can be refused or can fail.
 *
 * `http` is the status at the REST edge, `retry` says whether the same attempt can succeed later without a change
 * (`yes`: another attempt is made while the retry policy allows; `no`: final). The README's error table is compared with
 * this by a test, both ways.
 */
export type ErrorClass = {
  readonly http: number;
  readonly retry: 'yes' | 'no';
  readonly title: string;
};

export const ERRORS = {
  // What a caller sent.
  VALIDATION_FAILED: { http: 422, retry: 'no', title: 'The request is not valid' },
  BODY_UNREADABLE: { http: 400, retry: 'no', title: 'The body is not valid JSON' },
  REQUEST_MALFORMED: { http: 400, retry: 'no', title: 'This is not HTTP as it should be' },
  REQUEST_TIMED_OUT: { http: 408, retry: 'yes', title: 'The request did not arrive in time' },
  HEADERS_TOO_LARGE: { http: 431, retry: 'no', title: 'The headers are too large' },
  BODY_TOO_LARGE: { http: 413, retry: 'no', title: 'The body is too large' },
  MEDIA_TYPE_UNSUPPORTED: { http: 415, retry: 'no', title: 'The content type is not accepted' },
  METHOD_NOT_ALLOWED: { http: 405, retry: 'no', title: 'The method is not allowed here' },
  ROUTE_NOT_FOUND: { http: 404, retry: 'no', title: 'There is nothing at this path' },
  CURSOR_INVALID: { http: 400, retry: 'no', title: 'The cursor is not valid' },
  API_KEY_MISSING: { http: 401, retry: 'no', title: 'An API key is required' },
  API_KEY_WRONG: { http: 401, retry: 'no', title: 'The API key is not accepted' },
  RATE_LIMITED: { http: 429, retry: 'yes', title: 'Too many requests' },

  // What a caller asked for.
  TASK_UNKNOWN: { http: 404, retry: 'no', title: 'There is no such task' },
  TASK_ALREADY_OVER: { http: 409, retry: 'no', title: 'The task is already over' },
  TASK_NOT_QUEUED: { http: 409, retry: 'no', title: 'Nothing of the task waits for its turn' },
  MOVE_REFERENCE_INVALID: {
    http: 422,
    retry: 'no',
    title: 'The task cannot be moved next to that one',
  },
  TASK_FINISHING: { http: 409, retry: 'no', title: 'Only the steps at the end of the task run' },
  TASK_NOT_OVER: { http: 409, retry: 'no', title: 'The task is not over' },
  RERUN_NEEDS_WORKFLOW: { http: 409, retry: 'no', title: 'The task reads results of its workflow' },
  STEP_UNKNOWN: { http: 404, retry: 'no', title: 'The task has no such step' },
  STEP_NOT_WAITING: { http: 409, retry: 'no', title: 'The step does not wait for an answer' },
  STEP_ALREADY_ANSWERED: { http: 409, retry: 'no', title: 'The step was answered already' },
  ANSWER_INVALID: { http: 422, retry: 'no', title: 'The answer does not fit what is asked' },
  ANSWER_LINK_INVALID: { http: 404, retry: 'no', title: 'The link does not lead to a question' },
  TASK_EXISTS: { http: 409, retry: 'no', title: 'A task with this id exists' },
  TEMPLATE_UNKNOWN: { http: 404, retry: 'no', title: 'There is no such template' },
  TEMPLATE_VERSION_UNKNOWN: {
    http: 409,
    retry: 'yes',
    title: 'The scheduler has not seen this template version',
  },
  TEMPLATE_INVALID: { http: 422, retry: 'no', title: 'The template is not valid' },
  PARAMETERS_INVALID: { http: 422, retry: 'no', title: 'The parameters do not fit the template' },
  DEPENDENCY_UNKNOWN: { http: 422, retry: 'no', title: 'A dependency is not a known task' },
  DEPENDENCY_FAILED: { http: 409, retry: 'no', title: 'A dependency did not complete' },
  DEPENDENCY_SKIPPED: {
    http: 409,
    retry: 'no',
    title: 'A dependency did not complete, and the task is left out then',
  },
  WORKFLOW_INVALID: { http: 422, retry: 'no', title: 'The tasks of the workflow do not fit together' },
  WORKFLOW_UNKNOWN: { http: 404, retry: 'no', title: 'There is no such workflow' },
  WORKFLOW_ALREADY_OVER: { http: 409, retry: 'no', title: 'The workflow is already over' },
  IDEMPOTENCY_KEY_REUSED: {
    http: 422,
    retry: 'no',
    title: 'The idempotency key was used for another request',
  },
  QUEUE_FULL: { http: 429, retry: 'yes', title: 'The queue is full' },
  QUEUE_TTL_EXPIRED: { http: 409, retry: 'no', title: 'The task waited longer than it was allowed to' },
  SCHEDULE_UNKNOWN: { http: 404, retry: 'no', title: 'There is no such schedule' },
  SCHEDULE_NEVER_DUE: { http: 422, retry: 'no', title: 'The schedule would never be due' },
  SCHEDULES_FULL: { http: 409, retry: 'no', title: 'There are as many schedules as are accepted' },
  PAUSE_UNKNOWN: { http: 404, retry: 'no', title: 'This is not paused' },
  PAUSES_TOO_MANY: { http: 409, retry: 'no', title: 'There are too many pauses' },
  SERVER_UNKNOWN: { http: 404, retry: 'no', title: 'There is no such server' },
  SERVER_IN_FILE: { http: 409, retry: 'no', title: 'The server is managed by the servers file' },
  SERVER_IN_USE: { http: 409, retry: 'no', title: 'The server is in use' },
  CHANNEL_UNKNOWN: { http: 404, retry: 'no', title: 'There is no such channel for notifications' },
  DELIVERY_UNKNOWN: { http: 404, retry: 'no', title: 'There is no such notification' },
  SERVERS_FULL: { http: 409, retry: 'no', title: 'There are as many servers as are accepted' },

  // Placing.
  NO_SERVER_FITS: { http: 422, retry: 'no', title: 'No configured server can ever hold this model' },
  LEASE_LOST: { http: 409, retry: 'yes', title: 'The lease expired before the attempt ended' },
  LEASE_STALE: { http: 409, retry: 'no', title: 'The lease is no longer current' },
  CAPACITY_TAKEN: { http: 409, retry: 'yes', title: 'The slot was taken meanwhile' },

  // Running.
  MODEL_NOT_FOUND: { http: 422, retry: 'no', title: 'The server does not have this model' },
  MODEL_REQUEST_REFUSED: { http: 422, retry: 'no', title: 'The inference server refused the request' },
  MODEL_LOAD_FAILED: { http: 502, retry: 'yes', title: 'The model could not be loaded' },
  MODEL_SPILLED: { http: 502, retry: 'no', title: 'The model did not fit wholly in VRAM' },
  MODEL_STREAM_BROKEN: { http: 502, retry: 'yes', title: 'The answer ended before it was complete' },
  MODEL_ERROR: { http: 502, retry: 'yes', title: 'The inference server reported an error' },
  MODEL_ANSWER_INVALID: { http: 502, retry: 'yes', title: 'The answer of the model does not fit its schema' },
  NO_PROGRESS: { http: 504, retry: 'yes', title: 'The inference server made no progress' },
  SERVER_UNREACHABLE: { http: 502, retry: 'yes', title: 'The inference server cannot be reached' },
  SERVER_BUSY: { http: 503, retry: 'yes', title: 'The inference server is busy' },
  UNLOAD_STUCK: { http: 502, retry: 'yes', title: 'The model did not unload' },
  PULL_FAILED: { http: 502, retry: 'yes', title: 'The model could not be downloaded' },
  RUN_ABORTED: { http: 409, retry: 'no', title: 'The run was aborted' },
  EXECUTOR_STOPPING: { http: 503, retry: 'yes', title: 'The executor was shut down' },
  STEP_TYPE_UNKNOWN: { http: 422, retry: 'no', title: 'There is no such step type' },
  STEP_INPUT_INVALID: { http: 422, retry: 'no', title: 'The step input is not valid' },
  STEP_TIMED_OUT: { http: 504, retry: 'yes', title: 'The step ran out of time' },
  PLUGIN_MISSING: { http: 503, retry: 'no', title: 'There is no worker of this step type' },
  PLUGIN_LOST: { http: 502, retry: 'yes', title: 'The worker of the step is gone' },
  PLUGIN_FAILED: { http: 502, retry: 'yes', title: 'The plugin of the step has failed' },
  PLUGIN_REFUSED: { http: 422, retry: 'no', title: 'The plugin of the step refuses, for good' },
  PLUGIN_OVER_LIMIT: { http: 422, retry: 'no', title: 'The plugin of the step took more than it is allowed' },
  PLUGIN_OUTPUT_INVALID: {
    http: 422,
    retry: 'no',
    title: 'The plugin of the step gave an output that is wrong',
  },
  HTTP_ADDRESS_REFUSED: { http: 422, retry: 'no', title: 'Steps may not send requests to this address' },
  HTTP_UNREACHABLE: { http: 502, retry: 'yes', title: 'The address of a request cannot be reached' },
  HTTP_TIMED_OUT: { http: 504, retry: 'yes', title: 'The answer to a request did not come in time' },
  HTTP_SERVER_FAILED: { http: 502, retry: 'yes', title: 'The server of a request has failed or is busy' },
  HTTP_STATUS_UNEXPECTED: { http: 422, retry: 'no', title: 'A request was answered with another status' },
  HTTP_ANSWER_INVALID: { http: 422, retry: 'no', title: 'The answer to a request is of no use' },
  FINALLY_FAILED: { http: 422, retry: 'no', title: 'A step at the end of the task has failed' },
  FINALLY_TIMED_OUT: { http: 504, retry: 'no', title: 'The steps at the end of the task took too long' },
  STEP_REJECTED: { http: 409, retry: 'no', title: 'Somebody has rejected it' },
  ANSWER_TIMED_OUT: { http: 504, retry: 'no', title: 'Nobody answered in time' },
  CHILD_TASK_FAILED: { http: 502, retry: 'no', title: 'The task of a step has failed' },
  CHILD_TASK_CANCELLED: { http: 409, retry: 'no', title: 'The task of a step was cancelled' },
  TASK_TOO_DEEP: { http: 422, retry: 'no', title: 'There are too many tasks above this one' },
  VALUE_REFUSED: { http: 422, retry: 'no', title: 'A value is not as the template requires' },
  TEMPLATE_RENDER_FAILED: { http: 422, retry: 'no', title: 'The template could not be filled in' },
  OUTPUT_TOO_LARGE: { http: 422, retry: 'no', title: 'The output is too large' },

  // Secrets.
  SECRET_UNKNOWN: { http: 422, retry: 'no', title: 'There is no such secret' },
  SECRET_NOT_ALLOWED: { http: 403, retry: 'no', title: 'The secret may not be used here' },
  SECRET_UNAVAILABLE: { http: 500, retry: 'no', title: 'The secret cannot be read' },

  // Notifications.
  NOTIFICATION_NOT_DELIVERED: { http: 502, retry: 'no', title: 'The notification could not be delivered' },

  // Files and programs.
  STEP_NOT_ALLOWED: { http: 403, retry: 'no', title: 'The executor does not allow what the step asks for' },
  SANDBOX_UNAVAILABLE: { http: 501, retry: 'no', title: 'The executor has no sandbox for programs' },
  SCRIPT_FAILED: { http: 422, retry: 'yes', title: 'The script ended with an error' },
  GIT_FAILED: { http: 502, retry: 'yes', title: 'The repository could not be fetched' },
  PROGRAM_OVER_LIMIT: { http: 422, retry: 'no', title: 'The program took more than it is allowed' },
  WORKSPACE_FULL: { http: 422, retry: 'no', title: 'The workspace is full' },
  WORKSPACE_ELSEWHERE: { http: 409, retry: 'yes', title: 'The files of the task are at another executor' },
  WORKSPACE_GONE: { http: 409, retry: 'no', title: 'The files of an earlier step are gone' },
  FILE_NOT_FOUND: { http: 422, retry: 'no', title: 'There is no such file' },
  FILE_NOT_READABLE: { http: 422, retry: 'no', title: 'The file is not what it was to be read as' },
  PATH_NOT_ALLOWED: { http: 422, retry: 'no', title: 'The path leads where the step may not go' },

  // Artifacts.
  ARTIFACT_UNKNOWN: { http: 404, retry: 'no', title: 'There is no such artifact' },
  ARTIFACT_GONE: { http: 410, retry: 'no', title: 'The artifact was removed' },
  ARTIFACT_DAMAGED: { http: 502, retry: 'no', title: 'The artifact is not what was stored' },
  ARTIFACT_TOO_LARGE: { http: 413, retry: 'no', title: 'The artifact is too large' },
  ARTIFACTS_TOO_MANY: { http: 422, retry: 'no', title: 'The task has as many artifacts as are accepted' },
  ARTIFACT_STORE_FULL: { http: 507, retry: 'no', title: 'The object store is full' },

  // The platform itself.
  LOG_CORRUPT: { http: 500, retry: 'no', title: 'The event log is damaged' },
  LOG_UNAVAILABLE: { http: 503, retry: 'yes', title: 'The event log cannot be reached' },
  WRITER_DEPOSED: { http: 503, retry: 'yes', title: 'Another writer leads this stream' },
  SERVICE_UNAVAILABLE: { http: 503, retry: 'yes', title: 'A service does not answer' },
  PAST_UNREAD: { http: 503, retry: 'yes', title: 'The log is still being read up to that moment' },
  NOT_READY: { http: 503, retry: 'yes', title: 'The platform is not ready' },
  CONFIG_INVALID: { http: 500, retry: 'no', title: 'The configuration is not valid' },
  INTERNAL: { http: 500, retry: 'no', title: 'Something went wrong inside' },
} as const satisfies Record<string, ErrorClass>;

export type ErrorCode = keyof typeof ERRORS;

/** A failure as it stands in events and answers: a code of the catalogue and a sentence that names value, place and what is accepted. */
export type Failure = {
  readonly code: ErrorCode;
  readonly message: string;
  readonly details?: Readonly<Record<string, unknown>>;
};

export const isRetryable = (code: ErrorCode): boolean => ERRORS[code].retry === 'yes';

/** Something outside took the attempt away; what was being tried is not to blame. */
export const isInterruption = (code: ErrorCode): boolean => INTERRUPTIONS.has(code);

const INTERRUPTIONS: ReadonlySet<ErrorCode> = new Set([
  'LEASE_LOST',
  'EXECUTOR_STOPPING',
  'SERVER_UNREACHABLE',
]);

/** An attempt that ran out of time was aborted, and its server was not seen to stop: it may still work for it. */
export const isUnconfirmed = ({ code, details }: Failure): boolean =>
  code === 'STEP_TIMED_OUT' && details?.['confirmed'] === false;
