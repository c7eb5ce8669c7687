import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { createTransport } from 'nodemailer';
import type { Message, TryOutcome } from '#libs/domain/notify/delivery.js';
import type { ChannelSpec } from '#libs/notifications-file/channel-spec.js';
import { refusalOf } from '#libs/outgoing-http/address-rules.js';
import type { Outgoing } from './channel.js';
import { allowedFor } from './post.js';

type EmailSpec = Extract<ChannelSpec, { readonly type: 'email' }>;

/** A server that says no to the letter itself will go on saying so; one that does not know us may learn. */
const FINAL_COMMANDS: ReadonlySet<string> = new Set(['MAIL FROM', 'RCPT TO', 'DATA']);

/** One letter by SMTP. The name is looked up once, and the connection goes to the address that was checked. */
export const sendEmail = async (
  spec: EmailSpec,
  password: string | null,
  outgoing: Outgoing,
): Promise<TryOutcome> => {
  const { host, port, tls, user, from, to, timeoutMs } = spec;
  const transport = createTransport({
    host: await checkedAddress(spec),
    port,
    secure: tls === 'tls',
    requireTLS: tls === 'starttls',
    ignoreTLS: tls === 'none',
    ...(isIP(host) === 0 ? { tls: { servername: host } } : {}),
    ...(user === null || password === null ? {} : { auth: { user, pass: password } }),
    connectionTimeout: timeoutMs,
    greetingTimeout: timeoutMs,
    socketTimeout: timeoutMs,
    disableFileAccess: true,
    disableUrlAccess: true,
  });
  const stop = (): void => transport.close();
  outgoing.signal.addEventListener('abort', stop, { once: true });
  try {
    const sent = await Promise.race([
      transport.sendMail({
        from,
        to: [...to],
        subject: oneLine(outgoing.message.title),
        text: bodyOf(outgoing.message),
        messageId: `<${outgoing.id}@ai-task-orchestra>`,
        headers: { 'Auto-Submitted': 'auto-generated' },
      }),
      aborted(outgoing.signal),
    ]);
    return { ok: true, status: Number(/^\d{3}/.exec(sent.response)?.[0] ?? 250) };
  } catch (error) {
    return refusedBy(error);
  } finally {
    outgoing.signal.removeEventListener('abort', stop);
    transport.close();
  }
};

const aborted = (signal: AbortSignal): Promise<never> =>
  new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason as Error);
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
  });

/** Rejects for a host of which one address is not open. */
const checkedAddress = async ({ host, port, allowPrivate }: EmailSpec): Promise<string> => {
  const addresses =
    isIP(host) === 0 ? (await lookup(host, { all: true })).map(({ address }) => address) : [host];
  const allowed = allowedFor(allowPrivate, host, port);
  for (const address of addresses) {
    const why = refusalOf(allowed, { host: host.toLowerCase(), address, port });
    if (why !== null)
      throw new Error(`'${host}' (${address}), port ${port}: it ${why}; accepted with allow_private: true`);
  }
  const [first] = addresses;
  if (first === undefined) throw new Error(`'${host}' has no address`);
  return first;
};

const bodyOf = ({ text, link }: Message): string => (link === null ? text : `${text}\n\n${link}`).trim();

const oneLine = (text: string): string => text.replaceAll(/\s+/g, ' ').trim();

type SmtpError = Error & { readonly responseCode?: number; readonly command?: string };

const refusedBy = (error: unknown): TryOutcome => {
  const { responseCode: status = null, command = '', message } = error as SmtpError;
  const isFinal = status !== null && status >= 500 && FINAL_COMMANDS.has(command);
  return { ok: false, status, error: message, ...(isFinal ? { isFinal } : {}) };
};
