import type { LiveMessage } from '#libs/contracts/reports.js';
import type { Redactor } from '#libs/secrets/redactor.js';

type Live = (message: LiveMessage) => void;
type Token = LiveMessage & { readonly kind: 'token' };

/** Longest word of progress. */
const PROGRESS_MAX_CHARS = 2_000;

/** Live messages without secrets, also where one comes in several tokens. `end` says what was held back until it was known. */
export const redactedLive = (
  live: Live,
  redactor: Redactor,
): { readonly say: Live; readonly end: () => void } => {
  if (redactor.isIdle) return { say: live, end: () => undefined };
  const texts = redactor.texts();
  const thoughts = redactor.texts();
  let last: Token | null = null;
  let n = 0;
  const token = (head: Token, text: string, thinking: string): void => {
    const { thinking: _thinking, ...rest } = head;
    live({ ...rest, text, ...(thinking === '' ? {} : { thinking }) });
  };
  return {
    say: (message) => {
      ({ n } = message);
      if (message.kind === 'progress') {
        live({ ...message, message: redactor.text(message.message).slice(0, PROGRESS_MAX_CHARS) });
        return;
      }
      last = message;
      token(message, texts.push(message.text), thoughts.push(message.thinking ?? ''));
    },
    end: () => {
      if (last === null) return;
      const [text, thinking] = [texts.end(), thoughts.end()];
      if (text !== '' || thinking !== '') token({ ...last, n: n + 1 }, text, thinking);
    },
  };
};
