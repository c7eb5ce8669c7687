import { ERRORS, isInterruption, isRetryable, type ErrorCode } from './errors.js';

/**
 * What an attempt can fail with and another one may mend, by whose doing it is. Interruptions are none of them: they are retried in any
 * case, because what was being tried is not to blame.
 */
export const RETRY_CLASSES = {
  server: ['SERVER_BUSY', 'UNLOAD_STUCK'],
  model: ['MODEL_LOAD_FAILED', 'MODEL_STREAM_BROKEN', 'MODEL_ERROR', 'MODEL_ANSWER_INVALID', 'PULL_FAILED'],
  network: ['HTTP_UNREACHABLE', 'HTTP_SERVER_FAILED'],
  timeout: ['NO_PROGRESS', 'STEP_TIMED_OUT', 'HTTP_TIMED_OUT'],
  program: ['SCRIPT_FAILED', 'GIT_FAILED'],
  files: ['WORKSPACE_ELSEWHERE'],
  plugin: ['PLUGIN_LOST', 'PLUGIN_FAILED'],
} as const satisfies Readonly<Record<string, readonly ErrorCode[]>>;

/** Every code of every class: what is retried where a step names none. */
const ALL = 'all';

const CLASSED: readonly ErrorCode[] = Object.values(RETRY_CLASSES).flat();

export const RETRY_ON_ACCEPTED = `${[ALL, ...Object.keys(RETRY_CLASSES)].join(', ')}, ${CLASSED.join(', ')}`;

/** The codes that a class or a code stands for; null for what is neither. */
export const retryCodesOf = (name: string): readonly ErrorCode[] | null => {
  if (name === ALL) return CLASSED;
  if (Object.hasOwn(RETRY_CLASSES, name)) return RETRY_CLASSES[name as keyof typeof RETRY_CLASSES];
  return CLASSED.find((code) => code === name) === undefined ? null : [name as ErrorCode];
};

/** Why a name cannot be chosen. */
export const whyNotRetried = (name: string): string => {
  if (!Object.hasOwn(ERRORS, name)) return 'is no class and no code of errors';
  const code = name as ErrorCode;
  if (isInterruption(code)) return 'is an interruption, which is retried in any case';
  return isRetryable(code) ? 'does not end an attempt' : 'is final: another attempt would end the same';
};
