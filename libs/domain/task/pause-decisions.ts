import type { Failure } from '../errors.js';
import type { ServerId } from '../ids.js';
import type { Refused } from './decide.js';
import type { SchedulingPaused, SchedulingResumed } from './scheduler-events.js';
import type { Pause, Pauses } from './pauses.js';

/** People set them by hand; every decision looks at them. */
const PAUSES_MAX = 1_000;

/** Pausing again with the same words adds nothing; with others, those count from now on. */
export const pauseScheduling = (
  wanted: Omit<Pause, 'since'>,
  pauses: Pauses,
  given: { readonly at: string; readonly isServerKnown: (serverId: ServerId) => boolean },
): readonly SchedulingPaused[] | Refused => {
  const { scope, reason, by } = wanted;
  const serverId = scope.startsWith('server:') ? scope.slice('server:'.length) : null;
  if (serverId !== null && !given.isServerKnown(serverId))
    return refused(
      'SERVER_UNKNOWN',
      `There is no server '${serverId}'; GET /api/v1/servers says what there is.`,
    );
  const known = pauses.get(scope);
  if (known === undefined && pauses.size >= PAUSES_MAX)
    return refused(
      'PAUSES_TOO_MANY',
      `${pauses.size} pauses are set and ${PAUSES_MAX} are allowed; lift some first.`,
    );
  return known?.reason === reason && known.by === by
    ? []
    : [{ type: 'scheduling.paused', scope, reason, by, at: given.at }];
};

export const resumeScheduling = (
  { scope, by }: Pick<Pause, 'scope' | 'by'>,
  pauses: Pauses,
  at: string,
): readonly SchedulingResumed[] | Refused =>
  pauses.has(scope)
    ? [{ type: 'scheduling.resumed', scope, by, at }]
    : refused(
        'PAUSE_UNKNOWN',
        `'${scope}' is not paused; paused: ${[...pauses.keys()].slice(0, 20).join(', ') || 'nothing'}.`,
      );

const refused = (code: Failure['code'], message: string): Refused => ({ refused: { code, message } });
