import { isId } from '#libs/domain/ids.js';
import { ARTIFACT_NAME_ACCEPTED, isArtifactName } from '#libs/domain/task/artifact.js';
import { SCHEDULE_ID_MAX } from '#libs/domain/schedule/fire-schedule.js';
import { ApiError, shown } from './problem.js';

/** As the IETF draft on the header leaves it to the server: printable, bounded. */
const IDEMPOTENCY_KEY = /^[\x21-\x7e]{1,255}$/;

const NAMES = { task: 'Task', workflow: 'Workflow', server: 'Server', notification: 'Notification' } as const;

const idOf =
  (what: keyof typeof NAMES) =>
  (id: string): string => {
    if (isId(id)) return id;
    const accepted = 'lower-case letters, digits and -, 1 to 64 of them';
    const message = `${NAMES[what]} id '${String(shown(id))}' is not one; ids are ${accepted}.`;
    throw new ApiError('VALIDATION_FAILED', message, [
      { path: 'id', value: shown(id), message: `is not a ${what} id`, accepted },
    ]);
  };

export const taskIdOf = idOf('task');
export const workflowIdOf = idOf('workflow');
export const serverIdOf = idOf('server');
export const deliveryIdOf = idOf('notification');

/** Shorter than other ids: its tasks have it in theirs, with their due time. */
export const scheduleIdOf = (id: string): string => {
  if (isId(id) && id.length <= SCHEDULE_ID_MAX) return id;
  const accepted = `lower-case letters, digits and -, 1 to ${SCHEDULE_ID_MAX} of them`;
  const message = `Schedule id '${String(shown(id))}' is not one; ids are ${accepted}.`;
  throw new ApiError('VALIDATION_FAILED', message, [
    { path: 'id', value: shown(id), message: 'is not a schedule id', accepted },
  ]);
};

/** As templates name their steps. */
const STEP_ID = /^[a-z][a-z0-9_-]{0,62}$/;

export const stepIdOf = (id: string): string => {
  if (STEP_ID.test(id)) return id;
  const accepted = 'a lower-case letter, then up to 62 lower-case letters, digits, _ and -';
  throw new ApiError('VALIDATION_FAILED', `Step id '${String(shown(id))}' is not one; ids are ${accepted}.`, [
    { path: 'step', value: shown(id), message: 'is not a step id', accepted },
  ]);
};

export const artifactNameOf = (name: string): string => {
  if (isArtifactName(name)) return name;
  const message = `'${String(shown(name))}' is no name of an artifact; names are ${ARTIFACT_NAME_ACCEPTED}.`;
  throw new ApiError('VALIDATION_FAILED', message, [
    { path: 'name', value: shown(name), message: 'is not a name', accepted: ARTIFACT_NAME_ACCEPTED },
  ]);
};

export const idempotencyKeyOf = (key: string | undefined): string | undefined => {
  if (key === undefined || IDEMPOTENCY_KEY.test(key)) return key;
  const accepted = '1 to 255 printable characters without spaces';
  throw new ApiError(
    'VALIDATION_FAILED',
    `Idempotency-Key '${String(shown(key))}' is not accepted; expected ${accepted}.`,
    [{ path: 'Idempotency-Key', value: shown(key), message: 'is not accepted', accepted }],
  );
};

export const lastEventIdOf = (id: string | undefined): number => {
  if (id === undefined || id === '') return 0;
  if (/^\d{1,15}$/.test(id)) return Number(id);
  const accepted = 'the id of a state event of this stream, a whole number';
  throw new ApiError(
    'VALIDATION_FAILED',
    `Last-Event-ID '${String(shown(id))}' is not accepted; expected ${accepted}.`,
    [{ path: 'Last-Event-ID', value: shown(id), message: 'is not a sequence', accepted }],
  );
};
