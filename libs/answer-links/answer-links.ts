import { createHmac, timingSafeEqual } from 'node:crypto';
import type { StepId, TaskId } from '#libs/domain/ids.js';

/** The question that a link leads to; `waitingSeq` is the sequence of its `step.waiting`. */
export type AnswerLinkTo = {
  readonly taskId: TaskId;
  readonly stepId: StepId;
  readonly waitingSeq: number;
};

/** What a link says: the question, until when it holds, and in whose name it answers; null: whoever opens it says who they are. */
export type AnswerClaims = AnswerLinkTo & { readonly expiresAtMs: number; readonly by: string | null };

export type AnswerLink = { readonly url: string; readonly expiresAtMs: number };

/** Unless the question ends before; a week is what a message may lie unread. */
const HOLDS_MS = 7 * 86_400_000;

/** Where links lead; the token is the last part of the path. */
export const ANSWERS_PATH = '/api/v1/answers';

/** Tokens are longer by their names alone. */
const TOKEN_MAX_CHARS = 1_024;

/**
 * Links by which a question can be answered without any other key: whoever makes messages to people puts `linkFor` into them. A token is signed with
 * HMAC-SHA256 and names the question, so it is good for one answer: the question ends with it.
 */
export class AnswerLinks {
  /** `baseUrl`: the address of the API as people reach it. */
  constructor(
    private readonly key: Buffer,
    private readonly baseUrl: () => string,
  ) {}

  /** `until`: when the question ends by itself, RFC 3339; null where it does not. */
  linkFor(
    { taskId, stepId, waitingSeq }: AnswerLinkTo,
    given: { readonly nowMs: number; readonly until: string | null; readonly by?: string },
  ): AnswerLink {
    const untilMs = given.until === null ? Infinity : Date.parse(given.until);
    const expiresAtMs = Math.min(given.nowMs + HOLDS_MS, untilMs);
    const said = [taskId, stepId, waitingSeq, expiresAtMs, given.by ?? null];
    const payload = Buffer.from(JSON.stringify(said)).toString('base64url');
    const token = `${payload}.${this.#signature(payload).toString('base64url')}`;
    return { url: `${this.baseUrl().replace(/\/+$/, '')}${ANSWERS_PATH}/${token}`, expiresAtMs };
  }

  /** What the token says; null for one that was not signed here, `expired` for one that holds no more. */
  verify(token: string, nowMs: number): AnswerClaims | 'expired' | null {
    const [payload = '', signature = '', ...more] = token.split('.');
    if (token.length > TOKEN_MAX_CHARS || more.length > 0) return null;
    const given = Buffer.from(signature, 'base64url');
    const expected = this.#signature(payload);
    if (given.length !== expected.length || !timingSafeEqual(given, expected)) return null;
    // Only what was signed here is read.
    const said = JSON.parse(Buffer.from(payload, 'base64url').toString()) as readonly unknown[];
    const [taskId, stepId, waitingSeq, expiresAtMs, by] = said as [
      string,
      string,
      number,
      number,
      string | null,
    ];
    return expiresAtMs <= nowMs ? 'expired' : { taskId, stepId, waitingSeq, expiresAtMs, by };
  }

  #signature(payload: string): Buffer {
    return createHmac('sha256', this.key).update(`answer-link.v1.${payload}`).digest();
  }
}
