import { createHash } from 'node:crypto';
import { QueryFailure } from './query-failure.js';

/**
 * A cursor is a place in the order of submissions, which never changes: the sequence of a task's submission. It stays
 * valid when tasks are added, change or no longer match the filter. Layout: version, 4 bytes that stand for the log it
 * belongs to, 6 bytes sequence; base64url.
 */
const VERSION = 1;
const LOG_BYTES = 4;
const SEQ_BYTES = 6;
const BYTES = 1 + LOG_BYTES + SEQ_BYTES;

export const encodeCursor = (seq: number, genesisId: string): string => {
  const bytes = Buffer.alloc(BYTES);
  bytes.writeUInt8(VERSION, 0);
  logMark(genesisId).copy(bytes, 1);
  bytes.writeUIntBE(seq, 1 + LOG_BYTES, SEQ_BYTES);
  return bytes.toString('base64url');
};

/** The sequence in a cursor. `genesisId` is that of the log that the answers are of. */
export const decodeCursor = (cursor: string, name: 'after' | 'before', genesisId: string): number => {
  const bytes = Buffer.from(cursor, 'base64url');
  const refuse = (why: string): never => {
    const shown = cursor.length > 64 ? `${cursor.slice(0, 64)}…` : cursor;
    throw new QueryFailure(
      'CURSOR_INVALID',
      `page.${name} '${shown}' ${why}; use 'next' or 'previous' of an earlier page as it was given.`,
      { parameter: name, value: shown },
    );
  };
  if (bytes.length !== BYTES || bytes.toString('base64url') !== cursor)
    return refuse('is not a cursor of this service');
  if (bytes.readUInt8(0) !== VERSION)
    return refuse(`has version ${bytes.readUInt8(0)}, and ${VERSION} is known`);
  if (!bytes.subarray(1, 1 + LOG_BYTES).equals(logMark(genesisId)))
    return refuse('belongs to another event log');
  return bytes.readUIntBE(1 + LOG_BYTES, SEQ_BYTES);
};

const logMark = (genesisId: string): Buffer =>
  createHash('sha256').update(genesisId).digest().subarray(0, LOG_BYTES);
