import { hash } from 'node:crypto';
import type { NewEvent } from './event-log.js';

/**
 * Hash of an event: SHA-256 over the hash of the one before it and everything that the event says, each part preceded by its
 * length so that no two different events give the same input. Hex, 64 characters.
 */
export const eventHash = (prevHash: string, event: NewEvent, epoch: number, payload: string): string => {
  const parts = [
    prevHash,
    event.id,
    event.type,
    String(event.version),
    event.subject,
    event.time,
    String(epoch),
    event.taskId ?? '',
    event.workspace ?? '',
    event.correlationId ?? '',
    event.causationId ?? '',
    event.traceparent ?? '',
    payload,
  ];
  return hash('sha256', parts.map((part) => `${part.length}:${part}`).join('\n'), 'hex');
};
