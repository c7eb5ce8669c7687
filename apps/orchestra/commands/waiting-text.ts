import type { Waited, WaitingEvent } from '#libs/domain/task/waiting-events.js';

/** What happens of a step that waits, in a few words. */
export const waitingText = (event: Exclude<WaitingEvent, { readonly type: 'step.waited' }>): string => {
  const { stepId } = event;
  switch (event.type) {
    case 'step.waiting': {
      const { waiting } = event;
      if (waiting.kind === 'delay') return `${stepId}, until ${waiting.until}`;
      if (waiting.kind === 'task')
        return `${stepId}, for task ${waiting.childTaskId} (${waiting.template.name})`;
      const until = waiting.timeout ? `, until ${waiting.timeout.at}` : '';
      return `${stepId}, ${waiting.kind}${namesText(waiting.assignees)}${until}`;
    }
    case 'step.reminded':
      return `${stepId}, reminder ${event.nth}${namesText(event.assignees)}`;
    case 'step.escalated':
      return `${stepId}${namesText(event.to)}`;
    case 'step.answered': {
      const { by, comment } = event.answer;
      const what = event.answer.kind === 'approval' ? event.answer.choice : 'filled in';
      const who = by === null ? 'because nobody answered in time' : `by ${by}`;
      return `${stepId}: ${what} ${who}${comment === null ? '' : `: ${comment}`}`;
    }
  }
};

const namesText = (names: readonly string[]): string =>
  names.length === 0 ? '' : ` for ${names.join(', ')}`;

export const waitedText = ({ stepId, failure }: Waited): string =>
  failure === undefined ? stepId : `${stepId}: ${failure.code}: ${failure.message}`;
