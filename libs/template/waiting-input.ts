import { durationMsOf, durationTextOf } from '#libs/domain/duration.js';
import type { Failure } from '#libs/domain/errors.js';
import type { Asked, WaitingFor, WaitingKind } from '#libs/domain/task/waiting-events.js';
import { rfc3339Of } from '#libs/domain/time.js';
import { authoredCheck } from './authored-schema.js';
import { shown } from './describe-schema.js';
import { hasExpression } from './expression.js';

/** What is wrong with the input of a step that waits, by its field. */
export type WaitingProblem = { readonly field: string; readonly message: string };

type Input = Readonly<Record<string, unknown>>;

/** Shorter ones are mistakes; a year is longer than anything that is waited for. */
const WAIT_LIMITS = { minMs: 100, maxMs: 366 * 86_400_000 } as const;
/** Whoever is reminded more often than every second is not. */
const REMIND_MIN_MS = 1_000;

const APPROVAL_CHOICES = ['approve', 'reject'] as const;

/**
 * What is wrong beyond the schema of its type. What is not filled in yet (`{{ }}`) is passed over, so a template is checked by the same rules
 * when it is loaded as its input when its turn has come.
 */
export const waitingProblems = (kind: WaitingKind, input: Input): readonly WaitingProblem[] => {
  if (kind === 'task') return [];
  if (kind === 'delay') return delayProblems(input);
  const problems = [
    ...durationProblem(input, 'timeout', WAIT_LIMITS.minMs),
    ...durationProblem(input, 'remind_every', REMIND_MIN_MS),
    ...durationProblem(input, 'escalate_after', WAIT_LIMITS.minMs),
    ...together(input, 'escalate_after', 'escalate_to'),
    ...together(input, 'escalate_to', 'escalate_after'),
    ...together(input, 'on_timeout', 'timeout'),
    ...escalationProblem(input),
  ];
  return [...problems, ...(kind === 'approval' ? approvalProblems(input) : formProblems(input))];
};

const isOpen = (value: unknown): boolean => typeof value === 'string' && hasExpression(value);

const isThere = (input: Input, field: string): boolean => input[field] !== undefined && input[field] !== null;

const together = (input: Input, field: string, needed: string): readonly WaitingProblem[] =>
  isThere(input, field) && !isThere(input, needed)
    ? [{ field, message: `means nothing without ${needed}; give both or none` }]
    : [];

const durationProblem = (input: Input, field: string, minMs: number): readonly WaitingProblem[] => {
  const text = input[field];
  if (typeof text !== 'string' || isOpen(text)) return [];
  const ms = durationMsOf(text);
  if (ms === null || (ms >= minMs && ms <= WAIT_LIMITS.maxMs)) return [];
  const range = `from ${durationTextOf(minMs)} to ${durationTextOf(WAIT_LIMITS.maxMs)}`;
  return [{ field, message: `${shown(text)} is not accepted; expected a duration ${range}` }];
};

/** RFC 3339 with an offset; a date that there is not is none. */
const INSTANT = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d+)?(?:Z|[+-]\d{2}:\d{2})$/i;

const delayProblems = (input: Input): readonly WaitingProblem[] => {
  const [has, hasUntil] = [isThere(input, 'for'), isThere(input, 'until')];
  if (has === hasUntil) {
    const message = has ? 'for was given too' : 'is missing, and so is for';
    return [{ field: 'until', message: `${message}; expected exactly one of for and until` }];
  }
  const { until } = input;
  if (typeof until !== 'string' || isOpen(until)) return durationProblem(input, 'for', WAIT_LIMITS.minMs);
  const isInstant = INSTANT.test(until) && !Number.isNaN(Date.parse(until));
  const message = `${shown(until)} is not accepted; expected a moment such as 2026-01-31T12:00:00Z`;
  return isInstant ? [] : [{ field: 'until', message }];
};

const escalationProblem = ({ escalate_after: after, timeout }: Input): readonly WaitingProblem[] => {
  const [afterMs, timeoutMs] = [after, timeout].map((text) =>
    typeof text === 'string' ? durationMsOf(text) : null,
  );
  if (typeof afterMs !== 'number' || typeof timeoutMs !== 'number' || afterMs < timeoutMs) return [];
  return [
    {
      field: 'escalate_after',
      message: `${shown(after)} is not before timeout ${shown(timeout)}; expected less`,
    },
  ];
};

const approvalProblems = (input: Input): readonly WaitingProblem[] => {
  const problems: WaitingProblem[] = [];
  const named = Array.isArray(input['choices']) ? input['choices'] : [];
  const taken = named.find(
    (choice, n) => APPROVAL_CHOICES.some((own) => own === choice) || named.indexOf(choice) < n,
  );
  if (taken !== undefined && !isOpen(taken))
    problems.push({
      field: 'choices',
      message: `${shown(taken)} is there already; each is named once, approve and reject never`,
    });
  if (input['edit'] === true && !isThere(input, 'text'))
    problems.push({ field: 'edit', message: 'means nothing without text; give the text that may be edited' });
  const outcome = input['on_timeout'];
  const accepted = ['fail', ...APPROVAL_CHOICES, ...named];
  if (outcome !== undefined && !isOpen(outcome) && !named.some(isOpen) && !accepted.includes(outcome))
    problems.push({
      field: 'on_timeout',
      message: `${shown(outcome)} is not accepted; expected ${accepted.join(', ')}`,
    });
  return problems;
};

const formProblems = (input: Input): readonly WaitingProblem[] => {
  if (input['on_timeout'] !== 'default') return [];
  if (!('default' in input))
    return [{ field: 'on_timeout', message: 'is default, and there is no default; give one' }];
  const compiled = authoredCheck(input['schema']);
  if (!compiled.ok) return [];
  return compiled.check(input['default']).map(({ segments, message }) => ({
    field: ['default', ...segments].join('.'),
    message,
  }));
};

export type WaitingMade =
  | { readonly ok: true; readonly waiting: WaitingFor }
  | { readonly ok: false; readonly failure: Failure };

/** For what a step waits whose turn has come at this moment, from its filled-in input. */
export const waitingOf = (
  kind: Exclude<WaitingKind, 'task'>,
  stepId: string,
  input: Input,
  nowMs: number,
): WaitingMade => {
  const problems = waitingProblems(kind, input);
  if (problems.length > 0) {
    const said = problems.map(({ field, message }) => `steps.${stepId}.with.${field}: ${message}`).join('; ');
    return {
      ok: false,
      failure: { code: 'STEP_INPUT_INVALID', message: said.slice(0, 2_000), details: { problems } },
    };
  }
  if (kind !== 'delay') return { ok: true, waiting: askedOf(kind, input, nowMs) };
  const untilMs = isThere(input, 'until') ? Date.parse(String(input['until'])) : nowMs + msIn(input, 'for');
  if (untilMs - nowMs <= WAIT_LIMITS.maxMs) return { ok: true, waiting: { kind, until: rfc3339Of(untilMs) } };
  const message = `steps.${stepId}.with.until: ${shown(input['until'])} is more than ${durationTextOf(WAIT_LIMITS.maxMs)} ahead`;
  return { ok: false, failure: { code: 'STEP_INPUT_INVALID', message } };
};

const msIn = (input: Input, field: string): number => Math.round(durationMsOf(String(input[field])) ?? 0);

const askedOf = (kind: 'approval' | 'human_input', input: Input, nowMs: number): WaitingFor => {
  const asked: Asked = {
    message: String(input['message']),
    assignees: (input['assignees'] ?? []) as readonly string[],
    ...(isThere(input, 'timeout')
      ? {
          timeout: { at: after(input, 'timeout', nowMs), outcome: (input['on_timeout'] ?? 'fail') as string },
        }
      : {}),
    ...(isThere(input, 'remind_every') ? { remindEveryMs: msIn(input, 'remind_every') } : {}),
    ...(isThere(input, 'escalate_after')
      ? {
          escalation: {
            at: after(input, 'escalate_after', nowMs),
            to: input['escalate_to'] as readonly string[],
          },
        }
      : {}),
  };
  if (kind === 'human_input')
    return {
      kind,
      ...asked,
      schema: input['schema'] as Input,
      initial: input['initial'] ?? null,
      ...('default' in input ? { fallback: input['default'] } : {}),
    };
  const named = (input['choices'] ?? []) as readonly string[];
  return {
    kind,
    ...asked,
    text: input['text'] ?? null,
    edit: input['edit'] === true,
    choices: [...APPROVAL_CHOICES, ...named],
    onReject: input['on_reject'] === 'continue' ? 'continue' : 'fail',
  };
};

const after = (input: Input, field: string, nowMs: number): string => rfc3339Of(nowMs + msIn(input, field));
