import type { Message, TryOutcome } from '#libs/domain/notify/delivery.js';
import type { ChannelSpec } from '#libs/notifications-file/channel-spec.js';
import { secretOf } from '../secret-of.js';
import type { Outgoing, Send } from './channel.js';
import { sendEmail } from './email.js';
import { post } from './post.js';
import { webhookRequest } from './webhook.js';

/** How a message goes to a channel, in the time that the channel gives it. */
export const senderOf =
  (spec: ChannelSpec): Send =>
  async (outgoing) => {
    const timeout = AbortSignal.timeout(spec.timeoutMs);
    const signal = AbortSignal.any([outgoing.signal, timeout]);
    try {
      return await sendTo(spec, { ...outgoing, signal });
    } catch (error) {
      if (!timeout.aborted) throw error;
      return { ok: false, status: null, error: `no complete answer within ${spec.timeoutMs} ms (timeout)` };
    }
  };

const sendTo = async (spec: ChannelSpec, outgoing: Outgoing): Promise<TryOutcome> => {
  const secret = spec.secret === null ? null : await secretOf(spec.secret);
  switch (spec.type) {
    case 'webhook': {
      const request = webhookRequest(outgoing, secret ?? '');
      return await post({ url: spec.url, ...request }, { ...spec, isSecret: false }, outgoing);
    }
    case 'ntfy': {
      const headers = {
        'content-type': 'application/json',
        ...(secret === null ? {} : { authorization: `Bearer ${secret}` }),
      };
      const body = JSON.stringify(ntfyBody(outgoing.message, spec));
      return await post({ url: spec.url, headers, body }, { ...spec, isSecret: false }, outgoing);
    }
    case 'slack': {
      const body = JSON.stringify({ text: slackText(outgoing.message) });
      const headers = { 'content-type': 'application/json' };
      return await post({ url: secret ?? '', headers, body }, { ...spec, isSecret: true }, outgoing);
    }
    case 'email':
      return await sendEmail(spec, secret, outgoing);
  }
};

type Ntfy = Extract<ChannelSpec, { readonly type: 'ntfy' }>;

/** ntfy cuts longer messages off, or makes them files. */
const NTFY_TEXT_MAX_BYTES = 4_000;

/** As ntfy takes it in JSON, which goes to the root of the server. */
const ntfyBody = ({ title, text, link, type }: Message, { topic, priority }: Ntfy): object => ({
  topic,
  title,
  message: shortened(text === '' ? title : text, NTFY_TEXT_MAX_BYTES),
  tags: [type.replaceAll('.', '-')],
  ...(priority === null ? {} : { priority }),
  ...(link === null ? {} : { click: link }),
});

const shortened = (text: string, maxBytes: number): string => {
  const bytes = Buffer.from(text);
  // A character that was cut in two at the end is left out.
  return bytes.length <= maxBytes
    ? text
    : new TextDecoder().decode(bytes.subarray(0, maxBytes), { stream: true });
};

/** Slack's own marks in words of others would be links and mentions. */
const escaped = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');

const slackText = ({ title, text, link }: Message): string =>
  [`*${escaped(title)}*`, escaped(text), ...(link === null ? [] : [`<${link}>`])]
    .filter((part) => part !== '')
    .join('\n');
