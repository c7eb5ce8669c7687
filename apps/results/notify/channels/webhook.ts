import { createHmac } from 'node:crypto';
import type { Message } from '#libs/domain/notify/delivery.js';

/** Key lengths that Standard Webhooks asks for. */
const KEY_BYTES = { min: 24, max: 64 };

/**
 * Body and headers of a webhook as Standard Webhooks 1.0 has them: the signature is over id, time of the try and body. Several secrets, with
 * spaces between them, give several signatures, so that a receiver can be moved from one to the other.
 */
export const webhookRequest = (
  { id, message, nowMs }: { readonly id: string; readonly message: Message; readonly nowMs: number },
  secrets: string,
): { readonly body: string; readonly headers: Readonly<Record<string, string>> } => {
  const { type, at, title, text, link, data } = message;
  const body = JSON.stringify({ type, timestamp: at, data: { ...data, title, text, link } });
  const timestamp = String(Math.floor(nowMs / 1_000));
  const signatures = secrets
    .split(/\s+/)
    .map((secret) => `v1,${signatureOf(secret, `${id}.${timestamp}.${body}`)}`);
  return {
    body,
    headers: {
      'content-type': 'application/json',
      'webhook-id': id,
      'webhook-timestamp': timestamp,
      'webhook-signature': signatures.join(' '),
    },
  };
};

const signatureOf = (secret: string, content: string): string =>
  createHmac('sha256', keyOf(secret)).update(content).digest('base64');

const keyOf = (secret: string): Buffer => {
  const encoded = /^whsec_([A-Za-z0-9+/]+={0,2})$/.exec(secret)?.[1] ?? '';
  const key = Buffer.from(encoded, 'base64');
  if (key.length >= KEY_BYTES.min && key.length <= KEY_BYTES.max) return key;
  throw new Error(
    `the secret is none of a webhook; accepted: whsec_ and base64 of ${KEY_BYTES.min} to ${KEY_BYTES.max} bytes`,
  );
};
