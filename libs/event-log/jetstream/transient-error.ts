import { JetStreamApiCodes, JetStreamApiError, JetStreamError } from '@nats-io/jetstream';
import { errors } from '@nats-io/transport-node';

/** JetStream's codes for "not now": system unavailable, no leader, insufficient resources, timed out in the server; and a consumer that lived in its memory. */
const PASSING_CODES: ReadonlySet<number> = new Set([
  JetStreamApiCodes.ConsumerNotFound,
  10_008,
  10_009,
  10_023,
  10_076,
]);

/**
 * Whether waiting for the broker can mend it: it is away, restarting, or forgot a consumer that lived in its memory. A missing
 * stream, a refused permission or a bad request does not pass.
 */
export const isTransient = (error: unknown): boolean => {
  if (error instanceof JetStreamApiError) return PASSING_CODES.has(error.code) || error.status === 503;
  if (error instanceof errors.PermissionViolationError) return false;
  if (error instanceof errors.RequestError) return !(error.cause instanceof errors.PermissionViolationError);
  return (
    error instanceof errors.TimeoutError ||
    error instanceof errors.NoRespondersError ||
    error instanceof errors.ConnectionError ||
    error instanceof JetStreamError ||
    // The client does not export this one; it stands for "no one answers JetStream requests".
    (error instanceof Error && error.name === 'JetStreamNotEnabled')
  );
};
