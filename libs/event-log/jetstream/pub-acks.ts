import type { NatsConnection, MsgHdrs } from '@nats-io/transport-node';
import { inboxOf } from './inbox-subject.js';

/** What the server said to one publish. */
export type PubAck =
  | { readonly ok: true; readonly seq: number; readonly duplicate: boolean }
  /** `code` is JetStream's error code (10071: wrong last sequence, …), or 503 when no stream listens. */
  | { readonly ok: false; readonly code: number; readonly message: string };

type Heard = (ack: PubAck) => void;

/**
 * Publishing with many acknowledgements under way: one subscription hears them all, a token in the reply subject says whose each
 * is. The client's own publish makes a request object per message and stops at a quarter of this rate.
 */
export class PubAcks {
  readonly #inbox: string;
  readonly #waiting = new Map<string, Heard>();
  #next = 0;

  constructor(private readonly connection: NatsConnection) {
    this.#inbox = inboxOf(connection);
    connection.subscribe(`${this.#inbox}.*`, {
      callback: (error, message) => {
        if (error) return;
        const token = message.subject.slice(this.#inbox.length + 1);
        const heard = this.#waiting.get(token);
        this.#waiting.delete(token);
        heard?.(parseAck(message.data.length, () => message.json(), message.headers?.code ?? 0));
      },
    });
  }

  /** Answers with the token, by which `forget` stops waiting. Where nobody wants to hear, the server is not asked, and there is none. */
  publish(subject: string, payload: string, headers: MsgHdrs, heard: Heard | null): string {
    if (heard === null) {
      this.connection.publish(subject, payload, { headers });
      return '';
    }
    this.#next += 1;
    const token = this.#next.toString(36);
    this.#waiting.set(token, heard);
    this.connection.publish(subject, payload, { headers, reply: `${this.#inbox}.${token}` });
    return token;
  }

  forget(token: string): void {
    this.#waiting.delete(token);
  }
}

const parseAck = (length: number, json: () => unknown, status: number): PubAck => {
  if (length === 0)
    return {
      ok: false,
      code: status,
      message: status === 503 ? 'no stream takes this subject' : 'empty answer',
    };
  const body = json() as {
    seq?: number;
    duplicate?: boolean;
    error?: { err_code?: number; code?: number; description?: string };
  };
  if (body.error) {
    const { err_code: code, code: httpCode, description } = body.error;
    return { ok: false, code: code ?? httpCode ?? 0, message: description ?? 'refused' };
  }
  return { ok: true, seq: body.seq ?? 0, duplicate: body.duplicate ?? false };
};
