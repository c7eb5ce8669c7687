import type { AuditedStep, AuditedTask } from './audited-task.js';
import type { RuleName } from './rules.js';

/** `what` begins a sentence; `when` is RFC 3339. */
export type Start = { readonly what: string; readonly when: string; readonly serverId?: string };

type Around = {
  /** What it needs that is not over. */
  readonly missing: readonly string[];
  readonly paused: ReadonlySet<string>;
};

/** What speaks against the start of a step at that moment, whether it runs or waits. */
export const startProblems = (
  task: AuditedTask,
  step: AuditedStep,
  { what, when, serverId }: Start,
  { missing, paused }: Around,
): readonly (readonly [RuleName, string])[] => {
  const found: [RuleName, string][] = [];
  if (missing.length > 0)
    found.push(['NEEDS_NOT_DONE', `${what} started before ${missing.join(', ')} was done`]);
  if (step.isOpen || step.over === 'skipped')
    found.push([
      'CONDITION_PASSED_OVER',
      `${what} started ${step.isOpen ? 'before it was decided whether it runs' : 'though it was left out'}`,
    ]);
  if (Date.parse(when) < task.runAtMs)
    found.push(['STARTED_TOO_EARLY', `${what} started at ${when}, before its time`]);
  const scope = [...task.scopes, `server:${serverId ?? ''}`].find((one) => paused.has(one));
  if (scope !== undefined) found.push(['STARTED_WHILE_PAUSED', `${what} started though ${scope} is paused`]);
  if (step.atEnd && task.finishing === null)
    found.push(['FINALLY_WRONGLY', `${what} started, which runs at the end, before all others had ended`]);
  if (!step.atEnd && task.finishing !== null)
    found.push(['FINALLY_WRONGLY', `${what} started though its task had come to its end`]);
  if (task.ending) found.push(['STARTED_WHILE_ENDING', `${what} started though the task is ending`]);
  return found;
};
