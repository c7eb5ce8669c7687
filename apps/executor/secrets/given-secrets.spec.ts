import { describe, expect, it } from '@jest/globals';
import type { LiveMessage } from '#libs/contracts/reports.js';
import type { StepDispatched } from '#libs/domain/task/events.js';
import type { StepSecrets } from '#libs/domain/task/step-secrets.js';
import { Redactor } from '#libs/secrets/redactor.js';
import { SecretError } from '#libs/secrets/secret-error.js';
import { dispatched } from '#libs/testing/builders.js';
import { GivenSecrets } from './given-secrets.js';
import { redactedLive } from './redacted-live.js';

/** Goal: values get only to the places that the dispatch lists, and no error and no live message has one. */
const VALUE = 'a-value-of-a-secret';

const dispatch = (
  input: StepDispatched['input'],
  secrets: Partial<StepSecrets> = {},
  stepType = 'http_request',
): StepDispatched =>
  dispatched('a', 1, {
    stepType,
    input,
    secrets: { workspace: 'home', template: 't', uses: [], all: ['token', 'other'], ...secrets },
  });

const HEADER = { name: 'token', path: ['headers', 'a'], at: 7 };
const INPUT = { url: 'https://h/', headers: { a: 'Bearer {{ secrets.token }}', b: '{{ secrets.other }}' } };

const given = (values: Readonly<Record<string, string>> = { token: VALUE }): GivenSecrets =>
  new GivenSecrets((name) => {
    const value = values[name];
    return value === undefined
      ? Promise.reject(new SecretError('SECRET_UNKNOWN', `There is no secret '${name}'.`))
      : Promise.resolve(value);
  });

const failureOf = async (work: Promise<unknown>): Promise<string> =>
  await work.then(
    () => 'nothing',
    ({ code, message }: { code: string; message: string }) => `${code}: ${message}`,
  );

describe('an input', () => {
  it('gets values at the listed places, and nowhere else', async () => {
    const { input, redactor } = await given().open(dispatch(INPUT, { uses: [HEADER] }));
    expect(input).toEqual({
      url: 'https://h/',
      headers: { a: `Bearer ${VALUE}`, b: '{{ secrets.other }}' },
    });
    expect(redactor.text(`got ${VALUE}`)).toBe('got [secret token]');
  });

  it('without secrets is what was dispatched', async () => {
    const plain = dispatched('a', 1, { input: INPUT });
    const { input, redactor } = await given().open(plain);
    expect([input, redactor.isIdle]).toEqual([plain.input, true]);
  });

  it.each([
    [
      'a secret that is not there',
      { uses: [{ ...HEADER, name: 'other' }] },
      'http_request',
      /^SECRET_UNKNOWN: .*'other'/,
    ],
    [
      'a field that takes none',
      { uses: [{ ...HEADER, path: ['parse'], at: 0 }] },
      'http_request',
      /^SECRET_NOT_ALLOWED: Secret 'token' may not stand in parse/,
    ],
    ['a step type that takes none', { uses: [HEADER] }, 'noop', /^SECRET_NOT_ALLOWED/],
    [
      'a place without a reference',
      { uses: [{ ...HEADER, at: 3 }] },
      'http_request',
      /^INTERNAL: .*has no \{\{ secrets\.token \}\}/,
    ],
  ])('is refused for %s', async (_what, secrets, stepType, expected) => {
    const said = await failureOf(given().open(dispatch(INPUT, secrets, stepType)));
    expect(said).toMatch(expected);
    expect(said).not.toContain(VALUE);
  });

  it('that does not fit with its values is refused without showing them', async () => {
    const long = { token: `${VALUE}${'x'.repeat(9_000)}` };
    const said = await failureOf(given(long).open(dispatch(INPUT, { uses: [HEADER] })));
    expect(said).toMatch(
      /^STEP_INPUT_INVALID: With its secrets filled in headers\.a does not fit; accepted: /,
    );
    expect(said).not.toContain(VALUE);
  });
});

describe('a secret that was changed', () => {
  it('is still taken out of what a later step of its template gives back', async () => {
    const values: Record<string, string> = { token: VALUE };
    const secrets = given(values);
    await secrets.open(dispatch(INPUT, { uses: [HEADER] }));
    values['token'] = 'another-value';
    const { redactor } = await secrets.open(dispatch({ paths: ['f'] }, {}, 'read_files'));
    expect(redactor.value([`${VALUE} another-value`])).toEqual(['[secret token] [secret token]']);
  });
});

describe('live messages', () => {
  const head = { taskId: 't', stepId: 'a', attempt: 1, atMs: 0 };
  const said = (...messages: readonly LiveMessage[]): readonly LiveMessage[] => {
    const out: LiveMessage[] = [];
    const live = redactedLive((message) => out.push(message), new Redactor([['token', VALUE]]));
    for (const message of messages) live.say(message);
    live.end();
    return out;
  };

  it('have no value that comes in several tokens, and lose nothing else', () => {
    const parts = ['It is a-val', 'ue-of-', 'a-secret, a-val', 'id one', ' a-va'];
    const out = said(
      ...parts.map((text, n) => ({ ...head, n, kind: 'token' as const, text, thinking: text })),
    );
    const join = (field: 'text' | 'thinking'): string =>
      out.map((message) => (message.kind === 'token' ? (message[field] ?? '') : '')).join('');
    expect(join('text')).toBe('It is [secret token], a-valid one a-va');
    expect(join('thinking')).toBe(join('text'));
    expect(out.map(({ n }) => n)).toEqual([0, 1, 2, 3, 4, 5]);
  });

  it('of progress have none', () => {
    expect(said({ ...head, n: 0, kind: 'progress', message: `GET /${VALUE}` })).toEqual([
      { ...head, n: 0, kind: 'progress', message: 'GET /[secret token]' },
    ]);
  });
});
