import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { SMTPServer } from 'smtp-server';
import { Webhook } from 'standardwebhooks';
import type { Message, TryOutcome } from '#libs/domain/notify/delivery.js';
import type { ChannelSpec } from '#libs/notifications-file/channel-spec.js';
import { WebhookReceiver } from '#libs/testing/webhook-receiver.js';
import { senderOf } from './sender.js';

const MESSAGE: Message = {
  type: 'task.failed',
  at: '2026-01-31T12:00:00.000Z',
  title: 'summarize task t1: <failed> & over',
  text: 'MODEL_ERROR: ümläut',
  link: 'https://orchestra.example.org/api/v1/tasks/t1',
  data: { seq: 7 },
};
type WebhookSpec = Extract<ChannelSpec, { readonly type: 'webhook' }>;
type EmailSpec = Extract<ChannelSpec, { readonly type: 'email' }>;

const EVERY = { allowPrivate: true, timeoutMs: 5_000, atOnceMax: 4 };

let receiver: WebhookReceiver;
let folder: string;
let secretFile: string;

beforeEach(async () => {
  receiver = await WebhookReceiver.start();
  folder = await mkdtemp(join(tmpdir(), 'orchestra-channel-'));
  secretFile = join(folder, 'secret');
});
afterEach(async () => {
  await receiver.stop();
  await rm(folder, { recursive: true, force: true });
});

const send = async (
  spec: ChannelSpec,
  message = MESSAGE,
  signal = new AbortController().signal,
): Promise<TryOutcome> => await senderOf(spec)({ id: 'msg-1', message, nowMs: Date.now(), signal });

const secret = (): { readonly kind: 'file'; readonly path: string } => ({ kind: 'file', path: secretFile });
const newKey = (): string => `whsec_${randomBytes(24).toString('base64')}`;

describe('a webhook', () => {
  const webhook = (more: Partial<WebhookSpec> = {}): ChannelSpec => ({
    ...EVERY,
    type: 'webhook',
    url: `${receiver.url}/hook?x=1`,
    secret: secret(),
    ...more,
  });

  it('is signed by each of its secrets, as the public library checks it', async () => {
    const [old, fresh] = [newKey(), newKey()];
    await writeFile(secretFile, `${old}\n${fresh}\n`);
    expect(await send(webhook())).toEqual({ ok: true, status: 204 });
    const [seen] = receiver.received;
    expect(seen?.path).toBe('/hook?x=1');
    for (const key of [old, fresh])
      expect(new Webhook(key).verify(seen?.body ?? '', seen?.headers as Record<string, string>)).toEqual({
        type: 'task.failed',
        timestamp: MESSAGE.at,
        data: { seq: 7, title: MESSAGE.title, text: MESSAGE.text, link: MESSAGE.link },
      });
    expect(() =>
      new Webhook(newKey()).verify(seen?.body ?? '', seen?.headers as Record<string, string>),
    ).toThrow(/No matching signature/);
  });

  it.each(['', 'hunter2', 'whsec_c2hvcnQ=', `whsec_${'A'.repeat(200)}`])(
    "with '%s' as its secret is not sent, and no error shows it",
    async (text) => {
      await writeFile(secretFile, text);
      const error = await send(webhook()).catch(String);
      expect(error).toMatch(/has no secret in it|accepted: whsec_ and base64 of 24 to 64 bytes/);
      if (text !== '') expect(error).not.toContain(text);
      expect(receiver.received).toEqual([]);
    },
  );

  it('is refused by what is no 2xx, a redirect included, and is over by 410', async () => {
    await writeFile(secretFile, newKey());
    for (const [status, more] of [
      [302, {}],
      [400, {}],
      [500, {}],
      [410, { isFinal: true }],
    ] as const) {
      receiver.answer = () => status;
      expect(await send(webhook())).toEqual({
        ok: false,
        status,
        error: `answers ${status}: 'not now'`,
        ...more,
      });
    }
    expect(receiver.received).toHaveLength(4);
  });

  it('ends in its time where no answer comes, and when it is broken off', async () => {
    await writeFile(secretFile, newKey());
    receiver.answer = () => 0;
    const late = await send(webhook({ timeoutMs: 100 }));
    expect(late).toEqual({ ok: false, status: null, error: 'no complete answer within 100 ms (timeout)' });
    const stop = new AbortController();
    const sending = send(webhook(), MESSAGE, stop.signal);
    stop.abort();
    await expect(sending).rejects.toThrow(/abort|cancel/i);
  });

  it.each([
    ['this machine', 'http://127.0.0.1:1/'],
    ['this machine', 'http://localhost:1/'],
    ['this machine', 'http://[::1]:1/'],
    ['a private address', 'http://10.0.0.1/'],
    ['secrets', 'http://169.254.169.254/latest/meta-data'],
  ])('to %s at %s is refused unless the channel allows it', async (what, url) => {
    await writeFile(secretFile, newKey());
    await expect(send(webhook({ url, allowPrivate: false }))).rejects.toThrow(new RegExp(what));
  });

  it("never goes to where clouds keep a machine's secrets", async () => {
    await writeFile(secretFile, newKey());
    await expect(send(webhook({ url: 'http://169.254.169.254/' }))).rejects.toThrow(/secrets/);
  });
});

describe('ntfy', () => {
  it('gets JSON with the topic at the root of the server, and the token as a bearer', async () => {
    await writeFile(secretFile, 'tk_abc\n');
    const spec: ChannelSpec = {
      ...EVERY,
      type: 'ntfy',
      url: receiver.url,
      topic: 'gpus',
      priority: 4,
      secret: secret(),
    };
    expect(await send(spec)).toEqual({ ok: true, status: 204 });
    const [seen] = receiver.received;
    expect([seen?.path, seen?.headers.authorization]).toEqual(['/', 'Bearer tk_abc']);
    expect(JSON.parse(seen?.body ?? '')).toEqual({
      topic: 'gpus',
      title: MESSAGE.title,
      message: MESSAGE.text,
      tags: ['task-failed'],
      priority: 4,
      click: MESSAGE.link,
    });
  });

  it('is given no more than it takes, and no half of a character', async () => {
    const spec: ChannelSpec = {
      ...EVERY,
      type: 'ntfy',
      url: receiver.url,
      topic: 'gpus',
      priority: null,
      secret: null,
    };
    await send(spec, { ...MESSAGE, text: `x${'ü'.repeat(5_000)}` });
    const { message } = JSON.parse(receiver.received[0]?.body ?? '') as { message: string };
    expect(message).toBe(`x${'ü'.repeat(1_999)}`);
  });
});

describe('Slack', () => {
  const slack = (): ChannelSpec => ({ ...EVERY, type: 'slack', secret: secret() });

  it('gets one text, in which marks of others mean nothing', async () => {
    await writeFile(secretFile, `${receiver.url}/services/T0/B0/very-secret`);
    expect(await send(slack())).toEqual({ ok: true, status: 204 });
    expect(receiver.received[0]?.path).toBe('/services/T0/B0/very-secret');
    expect(JSON.parse(receiver.received[0]?.body ?? '')).toEqual({
      text: `*summarize task t1: &lt;failed&gt; &amp; over*\n${MESSAGE.text}\n<${MESSAGE.link}>`,
    });
  });

  it('is at an address that no error shows', async () => {
    await writeFile(secretFile, 'http://127.0.0.1:1/services/very-secret');
    const error = await send(slack()).catch(String);
    expect(error).toMatch(/the address in the secret was not reached: HTTP_UNREACHABLE/);
    await writeFile(secretFile, 'very secret');
    expect(await send(slack()).catch(String)).not.toMatch(/very secret/);
  });
});

describe('email', () => {
  type Letter = {
    readonly from: string;
    readonly to: readonly string[];
    readonly text: string;
    readonly user: string;
  };
  const letters: Letter[] = [];
  let server: SMTPServer;
  let refuseRecipients = false;

  beforeAll(async () => {
    server = new SMTPServer({
      disabledCommands: ['STARTTLS'],
      authOptional: true,
      allowInsecureAuth: true,
      onAuth: ({ username, password }, _session, done) =>
        password === 'right' ? done(null, { user: username ?? '' }) : done(new Error('no such user')),
      onRcptTo: (_address, _session, done) =>
        refuseRecipients ? done(Object.assign(new Error('no such box'), { responseCode: 550 })) : done(),
      onData: (stream, session, done) => {
        const parts: Buffer[] = [];
        stream.on('data', (part: Buffer) => parts.push(part));
        stream.on('end', () => {
          const { mailFrom, rcptTo } = session.envelope;
          letters.push({
            from: mailFrom === false ? '' : mailFrom.address,
            to: rcptTo.map(({ address }) => address),
            text: Buffer.concat(parts).toString(),
            user: String(session.user ?? ''),
          });
          done();
        });
      },
    });
    server.on('error', () => undefined);
    const listening = server.listen(0, '127.0.0.1');
    await once(listening, 'listening');
  });
  afterAll(async () => {
    await new Promise<void>((resolve) => server.close(() => resolve()));
  });
  beforeEach(() => {
    letters.length = 0;
    refuseRecipients = false;
  });

  const email = (more: Partial<EmailSpec> = {}): ChannelSpec => ({
    ...EVERY,
    type: 'email',
    host: '127.0.0.1',
    port: (server.server.address() as AddressInfo).port,
    tls: 'none',
    user: null,
    secret: null,
    from: 'Orchestra <orchestra@example.org>',
    to: ['ada@example.org', 'bob@example.org'],
    ...more,
  });

  it('is a letter to everybody in the list, with the link below its text', async () => {
    expect(await send(email(), { ...MESSAGE, title: 'two\r\nBcc: evil@example.org' })).toEqual({
      ok: true,
      status: 250,
    });
    const [letter] = letters;
    expect(letter).toMatchObject({
      from: 'orchestra@example.org',
      to: ['ada@example.org', 'bob@example.org'],
    });
    expect(letter?.text).toMatch(/^Subject: two Bcc: evil@example\.org\r$/m);
    expect(letter?.text).toMatch(/^Message-ID: <msg-1@ai-task-orchestra>\r$/m);
    expect(letter?.text).toMatch(/^Auto-Submitted: auto-generated\r$/m);
    expect(letter?.text).toContain('MODEL_ERROR: =C3=BCml=C3=A4ut');
    expect(letter?.text).toContain('https://orchestra.example.org/api/v1/tasks/t1');
  });

  it('signs in with its password; a wrong one may be mended, a box that is not there not', async () => {
    await writeFile(secretFile, 'right');
    expect(await send(email({ user: 'orchestra', secret: secret() }))).toMatchObject({ ok: true });
    await writeFile(secretFile, 'wrong-password');
    const refused = await send(email({ user: 'orchestra', secret: secret() }));
    expect(refused).toMatchObject({ ok: false, status: 535 });
    expect(refused).not.toHaveProperty('isFinal');
    expect(JSON.stringify(refused)).not.toContain('wrong-password');
    refuseRecipients = true;
    expect(await send(email())).toMatchObject({ ok: false, status: 550, isFinal: true });
  });

  it('insists on encryption where it is to be encrypted', async () => {
    expect(await send(email({ tls: 'starttls' }))).toMatchObject({ ok: false });
    expect(letters).toEqual([]);
  });

  it('goes to no private server that the channel does not allow, and not to where nobody listens', async () => {
    await expect(send(email({ allowPrivate: false }))).rejects.toThrow(
      /it is this machine; accepted with allow_private/,
    );
    expect(await send(email({ port: 1 }))).toMatchObject({
      ok: false,
      status: null,
      error: expect.stringMatching(/ECONNREFUSED/),
    });
    await expect(send(email({ host: '169.254.169.254' }))).rejects.toThrow(/secrets/);
  });
});
