import { describe, expect, it } from '@jest/globals';
import { parseNotificationsFile } from './notifications-file.js';

const FULL = `
public_url: https://orchestra.example.org/
retry: { first: 50ms, longest: 1m, for: 2h }
channels:
  ops: { type: webhook, url: 'https://hooks.example.org/x', secret_env: OPS_SECRET, at_once: 2 }
  mail:
    type: email
    host: smtp.example.org
    user: orchestra
    secret_file: /run/secrets/smtp
    from: Orchestra <orchestra@example.org>
    to: [ops@example.org]
    allow_private: true
  phone: { type: ntfy, url: 'https://ntfy.sh/', topic: my-gpus, priority: 4, timeout: 5s }
  chat: { type: slack, secret_env: SLACK_URL }
rules:
  - events: [task.failed, 'step.*']
    workspaces: [team-a]
    templates: ['sum*']
    labels: { stage: live }
    channels: [ops, mail]
    title: '{{ task.template }} {{ event.data.failure.code | default: "" }}'
`;

describe('the notifications file', () => {
  it('gives channels, rules and pauses, with defaults for what is not said', () => {
    const read = parseNotificationsFile(FULL, 'n.yaml');
    if (!read.ok) throw new Error(read.problems.join('\n'));
    const { channels, rules, retry, publicUrl } = read.settings;
    expect(Object.fromEntries(channels)).toEqual({
      ops: {
        type: 'webhook',
        url: 'https://hooks.example.org/x',
        secret: { kind: 'env', name: 'OPS_SECRET' },
        allowPrivate: false,
        timeoutMs: 15_000,
        atOnceMax: 2,
      },
      mail: {
        type: 'email',
        host: 'smtp.example.org',
        port: 587,
        tls: 'starttls',
        user: 'orchestra',
        secret: { kind: 'file', path: '/run/secrets/smtp' },
        from: 'Orchestra <orchestra@example.org>',
        to: ['ops@example.org'],
        allowPrivate: true,
        timeoutMs: 15_000,
        atOnceMax: 4,
      },
      phone: {
        type: 'ntfy',
        url: 'https://ntfy.sh',
        topic: 'my-gpus',
        priority: 4,
        secret: null,
        allowPrivate: false,
        timeoutMs: 5_000,
        atOnceMax: 4,
      },
      chat: {
        type: 'slack',
        secret: { kind: 'env', name: 'SLACK_URL' },
        allowPrivate: false,
        timeoutMs: 15_000,
        atOnceMax: 4,
      },
    });
    expect(rules).toMatchObject([{ events: ['task.failed', 'step.*'], labels: { stage: 'live' } }]);
    expect(retry).toEqual({ firstMs: 50, longestMs: 60_000, forMs: 7_200_000 });
    expect(publicUrl).toBe('https://orchestra.example.org');
  });

  it('may be empty', () => {
    expect(parseNotificationsFile('', 'n.yaml')).toMatchObject({ ok: true, settings: { rules: [] } });
  });

  it.each([
    ['[]', /n\.yaml:1:1: the file: .*object/],
    [
      'chanels: {}',
      /n\.yaml:1:1: chanels: there is no field 'chanels' here \(did you mean 'channels'\?\); accepted: only these fields: public_url/,
    ],
    ['channels: { ops: { type: pager } }', /channels\.ops\.type: .*webhook/],
    ['channels: { ops: { type: webhook, secret_env: A } }', /channels\.ops\.url: is missing/],
    [
      'channels: { ops: { type: webhook, url: "https://a.b" } }',
      /channels\.ops: .*needs secret_env or secret_file/,
    ],
    ['channels: { o: { type: slack, secret_env: A, secret_file: b } }', /one of them/],
    ['channels: { o: { type: slack, secret: hunter2 } }', /there is no field 'secret'/],
    [
      'channels: { o: { type: slack, secret_env: A, timeout: 1h } }',
      /channels\.o\.timeout: '1h' — expected a duration/,
    ],
    ['retry: { first: soon }', /retry\.first: 'soon' — expected a duration/],
    [
      'rules: [{ events: [task.faild], channels: [a] }]',
      /rules\[0\]\.events\[0\]: 'task\.faild' fits no type of event/,
    ],
    [
      'rules: [{ events: [task.failed], channels: [a] }]',
      /rules\[0\]\.channels\[0\]: there is no channel 'a'/,
    ],
    [
      'channels: { a: { type: slack, secret_env: A } }\nrules: [{ events: ["*"], channels: [a], title: "{{ user }}" }]',
      /n\.yaml:2:\d+: rules\[0\]\.title: 'user' is not known; accepted: event, task, link/,
    ],
    [
      'channels: { a: { type: slack, secret_env: A } }\nrules: [{ events: ["*"], channels: [a], text: "{{ event" }]',
      /rules\[0\]\.text: /,
    ],
  ])('%s is refused by line', (source, message) => {
    const read = parseNotificationsFile(source, 'n.yaml');
    expect(read.ok ? 'accepted' : read.problems.join('\n')).toMatch(message);
  });
});
