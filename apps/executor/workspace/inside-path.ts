import { StepError } from '../step-error.js';

/** Deeper than any tree that people make. */
const SEGMENTS_MAX = 64;

/** The longest name that file systems take. */
const NAME_MAX_BYTES = 255;

const ACCEPTED = "a path relative to the workspace, without '..'";

/** The segments of a path that stays below where it starts. Throws for every other one. */
export const segmentsOf = (path: string, field: string): readonly string[] => {
  const refuse = (why: string): never => {
    throw new StepError('PATH_NOT_ALLOWED', `${field} ${quoted(path)} ${why}; accepted: ${ACCEPTED}.`);
  };
  if (path.includes('\0')) refuse('has a NUL in it');
  if (path.startsWith('/')) refuse('is absolute');
  const segments = path.split('/').filter((segment) => segment !== '' && segment !== '.');
  if (segments.includes('..')) refuse("has '..' in it");
  if (segments.length > SEGMENTS_MAX) refuse(`has more than ${SEGMENTS_MAX} segments`);
  if (segments.some((segment) => Buffer.byteLength(segment) > NAME_MAX_BYTES))
    refuse(`has a name of more than ${NAME_MAX_BYTES} bytes`);
  return segments;
};

/** Longest part of a path that a message repeats. */
const SHOWN_CHARS = 120;

/** As messages show it: a name may have newlines and worse. */
export const quoted = (path: string): string => {
  const shown = path.length > SHOWN_CHARS ? `${path.slice(0, SHOWN_CHARS)}…` : path;
  return `'${JSON.stringify(shown).slice(1, -1)}'`;
};

/** What the file system said, as what the step did. Throws. */
export const fileFailure = (error: unknown, path: string): never => {
  const { code } = error as NodeJS.ErrnoException;
  const shown = quoted(path);
  switch (code) {
    case 'ENOENT':
      throw new StepError('FILE_NOT_FOUND', `There is no file ${shown}.`);
    case 'ELOOP':
    case 'ENOTDIR':
      throw new StepError(
        'PATH_NOT_ALLOWED',
        `${shown} passes through a symbolic link or a file; accepted: folders all the way.`,
      );
    case 'EISDIR':
    case 'ENXIO':
      throw new StepError('PATH_NOT_ALLOWED', `${shown} is no regular file; accepted: a regular file.`);
    case 'ENOSPC':
    case 'EDQUOT':
    case 'EFBIG':
      throw new StepError('WORKSPACE_FULL', `${shown} does not fit on the disk of the executor.`);
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      throw new StepError('PATH_NOT_ALLOWED', `The executor may not touch ${shown} (${code}).`);
    default:
      throw error;
  }
};
