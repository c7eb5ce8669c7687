import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { findSandbox } from '#apps/executor/sandbox/find-sandbox.js';
import { until } from './api-client.js';
import { orchestra } from './run-orchestra.js';
import { RunningPlatform } from './running-platform.js';

/**
 * Goal: steps that get a secret and do what they can to tell it leave no trace of it in anything that the platform writes or answers:
 * streams, database, object store, logs, API. The same search finds what was planted, in the streams, the database and the answers.
 */
const TOKEN = 'tok_Zk3"9&x/Q+7éwW-1';
const API_KEY = 'key-from-the-environment-5521';

/** By this test's own reckoning, not by the redactor's. */
const writingsOf = (value: string): readonly string[] => {
  const bytes = Buffer.from(value);
  return [
    value,
    JSON.stringify(value).slice(1, -1),
    encodeURIComponent(value),
    new URLSearchParams({ v: value }).toString().slice(2),
    bytes.toString('base64').replace(/=*$/, '').slice(0, -1),
    Buffer.concat([Buffer.from('u:'), bytes])
      .toString('base64')
      .slice(4, -4),
    bytes.toString('hex'),
    // Half of it is as good as all of it.
    value.slice(0, 10),
    value.slice(-10),
  ];
};

const TEMPLATES = {
  leaky: `
name: leaky
parameters: { url: { type: string, required: true } }
steps:
  - id: script
    type: execute_script
    with:
      interpreter: bash
      env: { TOKEN: '{{ secrets.token }}', KEY: '{{ secrets.api_key }}' }
      stdin: 'from stdin: {{ secrets.token }}'
      max_output_bytes: 4096
      script: |
        echo "$TOKEN and $KEY"; cat; env; set -x; : "$KEY"; set +x
        printf %s "$TOKEN" | base64; printf 'u:%s' "$TOKEN" | base64; printf %s "$KEY" | od -An -tx1 | tr -d ' \\n'
        printf '%s' "\${TOKEN:0:11}"; sleep 0.3; printf '%s\\n' "\${TOKEN:11}"
        printf '%s' "$TOKEN" > taken.txt; printf '%s' "$KEY" >&2
  - id: wrong
    type: execute_script
    on_failure: continue
    retry: { attempts_max: 2, backoff_ms: 0 }
    with: { interpreter: bash, env: { TOKEN: '{{ secrets.token }}' }, script: 'echo "cannot use $TOKEN" >&2; exit 9' }
  - id: echo
    type: http_request
    with:
      url: '{{ parameters.url }}/echo/{{ secrets.api_key }}'
      headers: { authorization: 'Bearer {{ secrets.api_key }}' }
      query: { t: '{{ secrets.token }}' }
      json: { t: '{{ secrets.token }}' }
  - id: refused
    type: http_request
    on_failure: continue
    retry: { attempts_max: 1 }
    with: { url: '{{ parameters.url }}/fail/{{ secrets.api_key }}', query: { t: '{{ secrets.token }}' } }
  - { id: read, type: read_files, with: { paths: [taken.txt] } }
  - { id: write, type: write_file, with: { path: again.txt, text: '{{ steps.script.output.stdout }}' } }
  - { id: tell, type: noop, with: { echo: '{{ steps.wrong.error.message }} {{ steps.refused.error.message }}' } }
output: { script: '{{ steps.script.output }}', echo: '{{ steps.echo.output }}', read: '{{ steps.read.output }}', tell: '{{ steps.tell.output }}' }
`,
  unknown: `
name: unknown
steps: [{ id: a, type: http_request, with: { url: 'http://127.0.0.1/{{ secrets.nowhere }}' } }]
`,
  forbidden: `
name: forbidden
steps: [{ id: a, type: http_request, with: { url: 'http://127.0.0.1/{{ secrets.token }}' } }]
`,
};

const sandbox = await findSandbox();
let platform: RunningPlatform;
let templates: string;
let echo: Server;
let echoUrl: string;
const answers: string[] = [];

beforeAll(async () => {
  echo = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', () => {
      const body = Buffer.concat(parts).toString();
      response.statusCode = request.url?.startsWith('/fail') ? 403 : 200;
      response.setHeader('content-type', 'application/json');
      response.setHeader('x-key', String(request.headers.authorization ?? ''));
      response.end(JSON.stringify({ url: request.url, headers: request.headers, body }));
    });
  }).listen(0, '127.0.0.1');
  await once(echo, 'listening');
  echoUrl = `http://127.0.0.1:${(echo.address() as AddressInfo).port}`;
  templates = await mkdtemp(join(tmpdir(), 'orchestra-templates-'));
  for (const [name, text] of Object.entries(TEMPLATES))
    await writeFile(join(templates, `${name}.yaml`), text);
  await writeFile(
    join(templates, 'plant.yaml'),
    "name: plant\nparameters: { p: { type: string, required: true } }\nsteps: [{ id: a, type: noop, with: { echo: '{{ parameters.p }}' } }]\n",
  );
  platform = await RunningPlatform.start({
    env: {
      ORCHESTRA_TEMPLATES_DIR: templates,
      ORCHESTRA_HTTP_ALLOW: '127.0.0.1:*',
      ORCHESTRA_SECRET_API_KEY: API_KEY,
      ORCHESTRA_LOG_LEVEL: 'trace',
      ORCHESTRA_SNAPSHOT_EVERY_EVENTS: '10',
      ORCHESTRA_UNSANDBOXED: sandbox.kind === 'bwrap' ? 'refuse' : 'allow',
    },
  });
  await writeFile(
    join(platform.dataDir, 'secrets.yaml'),
    'secrets:\n  token: { templates: [leaky] }\n  api_key: { templates: [leaky], workspaces: [default] }\n',
  );
}, 180_000);

afterAll(async () => {
  await platform?.stop();
  echo?.close();
  await rm(templates, { recursive: true, force: true });
}, 60_000);

/** `orchestra secrets` with this on stdin. */
const secrets = async (args: readonly string[], stdin = ''): Promise<string> => {
  const child = spawn(process.execPath, [
    'dist/apps/orchestra/main.js',
    'secrets',
    ...args,
    '--data',
    platform.dataDir,
  ]);
  const said: string[] = [];
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (part: Buffer) => said.push(part.toString()));
  child.stdin.end(stdin);
  const [code] = (await once(child, 'close')) as [number];
  return `${code}: ${said.join('')}`;
};

const filesBelow = async (folder: string): Promise<readonly string[]> =>
  (await readdir(folder, { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));

/** Where any writing of a value stands: files below the data folder, and what the API has answered. */
const found = async (value: string): Promise<readonly string[]> => {
  const needles = writingsOf(value).map((writing) => Buffer.from(writing));
  const has = (bytes: Buffer): boolean => needles.some((needle) => bytes.includes(needle));
  const places = await Promise.all(
    (await filesBelow(platform.dataDir)).map(async (file) =>
      has(await readFile(file).catch(() => Buffer.alloc(0))) ? [file.slice(platform.dataDir.length)] : [],
    ),
  );
  const answered = answers.flatMap((text, n) => (has(Buffer.from(text)) ? [`answer ${n}`] : []));
  return [...places.flat(), ...answered];
};

/** Everything that can be asked about a task. */
const ask = async (id: string): Promise<void> => {
  for (const path of ['', '/events', '/explain', '/stream'])
    answers.push(await (await fetch(`${platform.api.url}/api/v1/tasks/${id}${path}`)).text());
};

/** The projection has caught up with what was just asked for by then; the database is on disk with its journal. */
const run = async (template: string, parameters: object) => {
  const id = await platform.api.submit({ template, parameters }, template + JSON.stringify(parameters));
  const stream = fetch(`${platform.api.url}/api/v1/tasks/${id}/stream`).then((response) => response.text());
  const task = await platform.api.ended(id);
  answers.push(await stream);
  await ask(id);
  return task;
};

describe('secrets', () => {
  it('are set by the command, which shows none', async () => {
    const said = await secrets(['set', 'token'], `${TOKEN}\n`);
    expect(said).toMatch(/^0: token is set/);
    expect(await secrets(['list'])).toMatch(/^0: .*\ntoken .* leaky +\*/s);
    expect(await secrets(['set', 'short'], 'abc')).toMatch(/^4: The value has 3 characters/);
    expect(await secrets(['set', 'token', TOKEN])).toMatch(/^2: /);
    expect(await secrets(['rm', 'none'])).toMatch(/^3: There is no secret 'none'/);
    expect(said).not.toContain(TOKEN);
  });

  it('reach the steps, and leave no trace in what the platform writes and answers', async () => {
    const task = await run('leaky', { url: echoUrl });
    expect(task).toMatchObject({
      status: 'completed',
      result: {
        script: {
          stdout: expect.stringContaining('[secret token] and [secret api_key]\nfrom stdin: [secret token]'),
        },
        echo: {
          status: 200,
          headers: { 'x-key': 'Bearer [secret api_key]' },
          json: { body: '{"t":"[secret token]"}' },
        },
        read: { files: [{ text: '[secret token]' }] },
        tell: expect.stringMatching(/cannot use \[secret token\].* answers 403.*\[secret api_key\]/s),
      },
    });
    expect(answers.join('')).toContain('{{ secrets.token }}');
    // A script may write what it was given into its workspace, which goes with the task.
    await until(
      async () => ((await readdir(join(platform.dataDir, 'work'))).length === 0 ? true : undefined),
      'the workspace to go',
    );
    for (const value of [TOKEN, API_KEY]) expect(await found(value)).toEqual([]);
  }, 120_000);

  it('would be found: what is planted stands in the streams, the database and the answers', async () => {
    for (const [n, value] of [TOKEN, API_KEY].entries()) {
      const planted = `${value.slice(0, 5)}-planted-${n}`;
      await run('plant', { p: planted });
      const places = await until(async () => {
        const all = await found(planted);
        return all.some((place) => place.includes('results.sqlite')) ? all : undefined;
      });
      expect(places.some((place) => place.startsWith('/nats/'))).toBe(true);
      expect(places.some((place) => place.startsWith('answer'))).toBe(true);
    }
  }, 120_000);

  it('fail the task when they are not there or not for its template, and are tried once', async () => {
    const unknown = await run('unknown', {});
    expect(unknown).toMatchObject({
      status: 'failed',
      error: { code: 'SECRET_UNKNOWN', message: expect.stringContaining("no secret 'nowhere'") },
      attempts: [expect.anything()],
    });
    expect(await run('forbidden', {})).toMatchObject({
      status: 'failed',
      error: {
        code: 'SECRET_NOT_ALLOWED',
        message: expect.stringMatching(/'token' may not be used by template 'forbidden'; accepted: leaky/),
      },
      attempts: [expect.anything()],
    });
    expect(await found(TOKEN)).toEqual([]);
  }, 120_000);

  it('leave a log that names them where it says that it does', async () => {
    const { code, stdout } = await orchestra(['--json', 'verify', '--settled', '--data', platform.dataDir])
      .ended;
    expect([code, (JSON.parse(stdout) as { findings: unknown }).findings]).toEqual([0, []]);
  }, 60_000);

  it('of the environment are for the executor alone', async () => {
    const { services } = await platform.ready();
    for (const [service, { instance }] of Object.entries(services)) {
      const environment = await readFile(`/proc/${instance.slice(service.length + 1)}/environ`, 'utf8');
      expect([service, environment.includes(API_KEY)]).toEqual([service, service === 'executor']);
    }
  });
});
