import type { TryOutcome } from '#libs/domain/notify/delivery.js';
import type { ChannelSpec } from '#libs/notifications-file/channel-spec.js';
import type { AllowEntry } from '#libs/outgoing-http/address-rules.js';
import { checkedUrl, hostOf, portOf } from '#libs/outgoing-http/checked-url.js';
import { systemResolve, type Resolve } from '#libs/outgoing-http/guarded-connection.js';
import { sendRequest } from '#libs/outgoing-http/send-request.js';
import { packageVersion } from '#libs/runtime/version.js';
import type { Outgoing } from './channel.js';

const USER_AGENT = `ai-task-orchestra/${packageVersion()}`;

/** So much of an answer is read; so much of it is told, of answers that refuse. */
const ANSWER_MAX_BYTES = 4_096;
const SHOWN_CHARS = 200;

/** The receiver is gone for good, and says so (Standard Webhooks, "Deliverability and reliability"). */
const GONE = 410;

type Posted = {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
};

/**
 * One request by the guard that steps go through. Redirects are not followed: the message would go where nobody has said. Where the address is
 * a secret, no error shows it.
 */
export const post = async (
  { url: text, headers, body }: Posted,
  channel: Pick<ChannelSpec, 'allowPrivate'> & { readonly isSecret: boolean },
  { signal }: Outgoing,
  resolve: Resolve = systemResolve,
): Promise<TryOutcome> => {
  try {
    const url = checkedUrl(text);
    const rules = {
      allowed: allowedFor(channel.allowPrivate, hostOf(url), portOf(url)),
      resolve,
      opener: 'allow_private',
    };
    const answer = await sendRequest(
      {
        method: 'POST',
        url,
        headers: { 'user-agent': USER_AGENT, ...headers },
        body: Buffer.from(body),
        redirectsMax: 0,
        answerMaxBytes: ANSWER_MAX_BYTES,
      },
      rules,
      signal,
    );
    return outcomeOf(answer.status, answer.headers['retry-after'], answer.body, channel.isSecret);
  } catch (error) {
    if (signal.aborted || !channel.isSecret) throw error;
    const code = (error as { readonly code?: string }).code ?? 'unknown';
    throw new Error(`the address in the secret was not reached: ${code}`);
  }
};

/** The one host and port that the channel names, where it may be private; a cloud's metadata stay closed. */
export const allowedFor = (allowPrivate: boolean, host: string, port: number): readonly AllowEntry[] =>
  allowPrivate ? [{ what: { kind: 'host', name: host.toLowerCase().replace(/\.$/, '') }, port }] : [];

const outcomeOf = (status: number, retryAfter: unknown, body: Buffer, isSecret: boolean): TryOutcome => {
  if (status >= 200 && status < 300) return { ok: true, status };
  const said = isSecret ? '' : body.toString('utf8').replaceAll(/\s+/g, ' ').slice(0, SHOWN_CHARS).trim();
  const seconds = typeof retryAfter === 'string' && /^\d{1,7}$/.test(retryAfter) ? Number(retryAfter) : null;
  return {
    ok: false,
    status,
    error: `answers ${status}${said === '' ? '' : `: '${said}'`}`,
    ...(status === GONE ? { isFinal: true } : {}),
    ...(seconds === null ? {} : { retryAfterMs: seconds * 1_000 }),
  };
};
