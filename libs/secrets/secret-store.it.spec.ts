import { chmod, mkdtemp, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { keyId, readKey, readOrMakeKey } from './secret-key.js';
import { SecretSources, type SecretPlaces } from './secret-sources.js';
import { SecretStore } from './secret-store.js';

/** Goal: secrets are found where they are said to be, by those who may, and a store that was tampered with gives nothing. */
const VALUE = 'hunter2-hunter2 é';
const AT = '2026-01-02T03:04:05.678Z';
const SEEKER = { template: 'report', workspace: 'team-a' };

let folder: string;
let places: SecretPlaces;
let store: SecretStore;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'orchestra-secrets-'));
  places = {
    grantsFile: join(folder, 'secrets.yaml'),
    environment: { ORCHESTRA_SECRET_API_KEY: 'from-the-environment', HOME_KEY: 'not-a-secret-of-ours' },
    environmentPrefix: 'ORCHESTRA_SECRET_',
    folder: join(folder, 'files'),
    storeFile: join(folder, 'secrets', 'store.json'),
    key: { text: undefined, file: join(folder, 'secrets', 'key') },
  };
  store = new SecretStore(places.storeFile);
});
afterEach(async () => await rm(folder, { recursive: true, force: true }));

const grant = async (text: string): Promise<void> => await writeFile(places.grantsFile, text);
const put = async (name: string, value: string): Promise<boolean> =>
  await store.set(name, value, await readOrMakeKey(places.key), AT);
const read = async (name: string, seeker = SEEKER): Promise<string> =>
  await new SecretSources(places).read(name, seeker);
const codeOf = async (work: Promise<unknown>): Promise<unknown> =>
  await work.then(
    () => 'nothing',
    ({ code, message }: { code: string; message: string }) => `${code}: ${message}`,
  );

describe('the store', () => {
  it('gives what was set, and holds nothing of it in the clear', async () => {
    expect(await put('token', VALUE)).toBe(false);
    expect(await put('token', `${VALUE}!`)).toBe(true);
    expect(await store.get('token', () => readKey(places.key))).toBe(`${VALUE}!`);
    expect(await store.list()).toEqual([{ name: 'token', setAt: AT }]);
    const text = await readFile(places.storeFile, 'latin1');
    for (const writing of ['hunter2', Buffer.from(VALUE).toString('base64').slice(0, 12)])
      expect(text).not.toContain(writing);
    expect(await store.remove('token')).toBe(true);
    expect(await store.remove('token')).toBe(false);
    expect(await store.get('token', () => readKey(places.key))).toBeNull();
  });

  it('and its key are for their owner alone', async () => {
    await put('token', VALUE);
    for (const file of [places.storeFile, places.key.file])
      expect((await stat(file)).mode & 0o777).toBe(0o600);
    await chmod(places.key.file, 0o640);
    expect(await codeOf(readKey(places.key))).toMatch(/^SECRET_UNAVAILABLE: .*mode 640\); accepted: 600/);
  });

  it('takes what commands at the same time set', async () => {
    await readOrMakeKey(places.key);
    await Promise.all(Array.from({ length: 8 }, (_, n) => put(`token-${n}`, `${VALUE}${n}`)));
    expect(await store.list()).toHaveLength(8);
  });

  it.each([
    [
      'another byte',
      (text: string) =>
        text.replace(/"data": "./, (begin) => `${begin.slice(0, -1)}${begin.endsWith('A') ? 'B' : 'A'}`),
    ],
    [
      'another name',
      (text: string) =>
        text.replace('"other"', '"swapped"').replace('"token"', '"other"').replace('"swapped"', '"token"'),
    ],
    ['another tag', (text: string) => text.replace(/"tag": "[^"]{4}/g, '"tag": "AAAA')],
  ])('refuses %s', async (_what, change) => {
    await put('other', 'another value');
    await put('token', VALUE);
    const before = await readFile(places.storeFile, 'utf8');
    expect(change(before)).not.toBe(before);
    await writeFile(places.storeFile, change(before));
    const results = await Promise.all(
      ['token', 'other'].map((name) => codeOf(store.get(name, () => readKey(places.key)))),
    );
    expect(results.some((result) => /^SECRET_UNAVAILABLE: .*was altered/.test(String(result)))).toBe(true);
    expect(results.join()).not.toContain(VALUE);
  });

  it('says that it has another key, or is damaged', async () => {
    await put('token', VALUE);
    const other = { text: Buffer.alloc(32, 7).toString('base64'), file: '' };
    expect(await codeOf(store.get('token', () => readKey(other)))).toMatch(/written with another key/);
    expect(await codeOf(store.set('b', VALUE, await readKey(other), AT))).toMatch(/written with another key/);
    expect(await codeOf(readKey({ text: 'short', file: '' }))).toMatch(
      /is no key; accepted: 32 bytes as base64/,
    );
    expect(keyId(Buffer.alloc(32, 7))).not.toBe(keyId(Buffer.alloc(32, 8)));
    await writeFile(places.storeFile, '{');
    expect(await codeOf(store.list())).toMatch(/^SECRET_UNAVAILABLE: .*damaged/);
  });
});

describe('a secret', () => {
  beforeEach(async () => {
    await grant(
      'secrets:\n  api_key: { templates: [report] }\n  token: { templates: ["*"], workspaces: [team-a] }\n',
    );
  });

  it('comes from the environment, a folder or the store, in this order', async () => {
    expect(await read('api_key')).toBe('from-the-environment');
    await put('token', VALUE);
    expect(await read('token')).toBe(VALUE);
    const files = await mkdtemp(join(folder, 'mounted-'));
    await writeFile(join(files, 'real'), 'from a folder\n');
    await symlink('real', join(files, 'token'));
    places = { ...places, folder: files };
    expect(await read('token')).toBe('from a folder');
  });

  it.each([
    [
      'another template',
      'api_key',
      { ...SEEKER, template: 'other' },
      /^SECRET_NOT_ALLOWED: Secret 'api_key' may not be used by template 'other'; accepted: report/,
    ],
    [
      'another workspace',
      'token',
      { ...SEEKER, workspace: 'team-b' },
      /^SECRET_NOT_ALLOWED: Secret 'token' may not be used by workspace 'team-b'; accepted: team-a/,
    ],
    [
      'nobody, where the file does not name it',
      'unnamed',
      SEEKER,
      /^SECRET_NOT_ALLOWED: Secret 'unnamed' may not be used by template 'report'; accepted: none/,
    ],
    [
      'anybody, where it is not there',
      'missing',
      SEEKER,
      /^SECRET_UNKNOWN: There is no secret 'missing'; looked for: ORCHESTRA_SECRET_MISSING /,
    ],
  ])('is not for %s', async (_who, name, seeker, expected) => {
    await put('token', VALUE);
    await put('unnamed', VALUE);
    const said = String(await codeOf(read(name, seeker)));
    expect(said).toMatch(expected);
    expect(said).not.toContain('hunter2');
  });

  it('is refused where it is too short to be recognised', async () => {
    places = { ...places, environment: { ORCHESTRA_SECRET_API_KEY: 'abc' } };
    const said = String(await codeOf(read('api_key')));
    expect(said).toMatch(/^SECRET_UNAVAILABLE: Secret 'api_key' has 3 characters, .*accepted: text of 8/);
    expect(said).not.toContain('abc');
  });

  it.each([
    ['secrets: [a]', /expected a map under 'secrets'/],
    ['secrets:\n  A: { templates: [a] }', /secrets\.yaml:2:3: 'A' is no name of a secret/],
    ['secrets:\n  a: { templates: yes }', /a — expected `templates/],
    ['secrets:\n  a: { templates: [a], template: b }', /unknown field 'template'/],
    ['secrets: { a: [', /secrets\.yaml/],
  ])('is for nobody while the file says %j', async (text, expected) => {
    await grant(text);
    expect(await codeOf(read('api_key'))).toMatch(expected);
  });
});
