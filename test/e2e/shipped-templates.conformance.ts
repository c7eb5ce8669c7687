import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { json } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { findSandbox } from '#apps/executor/sandbox/find-sandbox.js';
import type { TaskView } from '#libs/contracts/queries.js';
import { until } from './api-client.js';
import { RunningPlatform } from './running-platform.js';

/**
 * Goal: every template that is shipped runs to its end through the real services, and its result is of use.
 * Method: each is submitted as a user would; the last test holds the list of them against the folder.
 */
const run = promisify(execFile);
const sandbox = await findSandbox();

export type ServerUnderTest = {
  /** In the file of servers. */
  readonly entry: string;
  readonly url: string;
  readonly stop: () => Promise<unknown>;
};

type Choice = {
  readonly start: () => Promise<ServerUnderTest>;
  readonly model: string;
  readonly embeddingModel: string;
  /** So that a small machine is done in time. */
  readonly options: Readonly<Record<string, number>>;
};

/** `start` is called once. */
export const shippedTemplates = (name: string, choice: Choice): void => {
  const { model, embeddingModel, options } = choice;
  let platform: RunningPlatform;
  let server: ServerUnderTest;
  let home: string;
  let repo: string;
  let receiver: Server;
  const received: unknown[] = [];
  const ran = new Set<string>();

  const receiverUrl = (): string => `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/hook`;

  const git = async (...args: readonly string[]): Promise<unknown> =>
    await run('git', ['-C', repo, '-c', 'user.name=T', '-c', 'user.email=t@example.org', ...args]);

  beforeAll(async () => {
    home = await mkdtemp(join(tmpdir(), 'orchestra-shipped-'));
    repo = join(home, 'repo');
    await mkdir(repo);
    await mkdir(join(home, 'notes'));
    await writeFile(join(home, 'notes/sea.md'), 'Salt water and waves, ships and harbours.');
    await writeFile(join(home, 'notes/hill.md'), 'Goats graze on the green hill.');
    await writeFile(join(home, 'notes/empty.md'), '');
    await git('init', '--quiet', '--initial-branch=main');
    await writeFile(join(repo, 'add.js'), 'export const add = (a, b) => a + b;\n');
    await writeFile(join(repo, 'report.sh'), 'echo "report for $1" > out.txt');
    await git('add', '.');
    await git('commit', '--quiet', '-m', 'first');
    await writeFile(join(repo, 'add.js'), 'export const add = (a, b) => a - b;\n');
    await writeFile(join(repo, "it's; $(odd)"), 'new\n');
    await git('add', '.');
    await git('commit', '--quiet', '-m', 'second');
    server = await choice.start();
    receiver = createServer((request, response) => {
      void json(request).then((body) => {
        received.push(body);
        response.end('{}');
      });
    });
    await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve));
    platform = await RunningPlatform.start({
      servers: `servers:\n${server.entry}`,
      env: {
        ORCHESTRA_GIT_PROTOCOLS: 'https,file',
        ORCHESTRA_READ_ROOTS: home,
        ORCHESTRA_HTTP_ALLOW: `${new URL(server.url).host},${new URL(receiverUrl()).host}`,
        ORCHESTRA_UNSANDBOXED: sandbox.kind === 'bwrap' ? 'refuse' : 'allow',
      },
    });
  }, 180_000);

  afterAll(async () => {
    await platform?.stop();
    await server?.stop();
    await new Promise((resolve) => receiver.close(resolve));
    await rm(home, { recursive: true, force: true });
  }, 60_000);

  const submitted = async (template: string, parameters: object): Promise<string> => {
    ran.add(template);
    return await platform.api.submit({ template, parameters }, randomUUID());
  };

  const completed = async (id: string): Promise<TaskView> => {
    const task = await platform.api.ended(id);
    expect({ error: task.error, status: task.status }).toEqual({ error: null, status: 'completed' });
    return task;
  };

  const ended = async (template: string, parameters: object): Promise<TaskView> =>
    await completed(await submitted(template, parameters));

  const LIMIT_MS = 300_000;
  const said = expect.stringMatching(/\S/);

  describe(`the shipped templates for models, ${name}`, () => {
    it(
      'ollama-inference, ollama-chat, ollama-embed and two-step-summary answer',
      async () => {
        const inference = await ended('ollama-inference', { model, options, prompt: 'Why is the sky blue?' });
        expect(inference.result).toMatchObject({ text: said });
        const messages = [{ role: 'user', content: 'Hello' }];
        const chat = await ended('ollama-chat', { model, options, messages });
        expect(chat.result).toMatchObject({ text: said });
        const embedded = await ended('ollama-embed', { model: embeddingModel, texts: ['a', 'b'] });
        expect(embedded.result).toMatchObject({ count: 2 });
        const summary = await ended('two-step-summary', { model, options, text: 'Goats graze.' });
        expect(summary.result).toMatchObject({ points: said, summary: said });
      },
      LIMIT_MS,
    );

    it(
      'file-processing and ollama-batch-analysis work on files',
      async () => {
        const files = [join(home, 'notes/*.md')];
        const processed = await ended('file-processing', {
          model,
          options,
          files,
          instruction: 'Summarise.',
        });
        expect(processed.result).toMatchObject({ text: said, truncated: false });
        const batch = await ended('ollama-batch-analysis', {
          model,
          options,
          files,
          prompt: 'What is this about?',
        });
        expect(batch.result).toMatchObject({
          report: said,
          answers: [
            { name: join(home, 'notes/hill.md'), part: 1, of: 1, text: said },
            { name: join(home, 'notes/sea.md'), part: 1, of: 1, text: said },
          ],
        });
      },
      LIMIT_MS,
    );

    it(
      'document-qa answers from a passage, and names it',
      async () => {
        const files = [join(home, 'notes/*.md')];
        const parameters = {
          model,
          options,
          embedding_model: embeddingModel,
          files,
          question: 'Where do goats graze?',
          passages: 1,
        };
        const { result } = await ended('document-qa', parameters);
        expect(result).toMatchObject({
          answer: expect.any(String),
          citations: expect.any(Array),
          passages: [{ number: 1, name: expect.stringContaining(home), text: said }],
        });
      },
      LIMIT_MS,
    );
  });

  describe(`the shipped templates with several models and with people, ${name}`, () => {
    it(
      'summarize-and-judge picks one of three summaries',
      async () => {
        const models = { model_a: model, model_b: model, model_c: model, judge: model };
        const { result } = await ended('summarize-and-judge', { ...models, text: 'Goats graze.', options });
        const { best, summaries } = result as { best: string; summaries: Record<string, string> };
        expect(result).toMatchObject({ reason: expect.any(String), summary: summaries[best] });
        expect(Object.keys(summaries)).toEqual(['a', 'b', 'c']);
      },
      LIMIT_MS,
    );

    it(
      'human-reviewed-report sends what a person has made of the draft',
      async () => {
        const parameters = { model, options, topic: 'goats', webhook: receiverUrl(), reviewers: ['ada'] };
        const id = await submitted('human-reviewed-report', parameters);
        await until(async () => ((await platform.api.task(id))?.status === 'waiting' ? true : undefined));
        const answer = { decision: 'approve', by: 'ada', text: 'Goats, and nothing else.' };
        await platform.api.call('POST', `/api/v1/tasks/${id}/steps/review/answer`, answer);
        const { result } = await completed(id);
        expect(result).toMatchObject({ decision: 'approved', by: 'ada', published: 'completed' });
        expect(received).toEqual([
          { topic: 'goats', report: 'Goats, and nothing else.', approved_by: 'ada' },
        ]);
      },
      LIMIT_MS,
    );
  });

  describe(`the shipped templates for programs, ${name}`, () => {
    it(
      'code-review looks at each file that changed, whatever its name, and at nothing when nothing has',
      async () => {
        const parameters = { model, options, repo_url: `file://${repo}`, branch: 'main', depth: 0 };
        const { result } = await ended('code-review', parameters);
        expect(result).toMatchObject({
          commit: expect.stringMatching(/^[0-9a-f]{40}$/),
          report: said,
          reviews: [
            { name: 'diffs/0001.diff', text: said },
            { name: 'diffs/0002.diff', text: said },
          ],
        });
        const none = await ended('code-review', { ...parameters, base: 'HEAD' });
        expect(none.result).toEqual({ commit: expect.any(String), truncated: false });
      },
      LIMIT_MS,
    );

    it(
      'git-script-execution and http-report give what was made and fetched',
      async () => {
        const parameters = {
          repo_url: `file://${repo}`,
          script_path: 'report.sh',
          output_path: 'out.txt',
          args: ['a b'],
        };
        expect((await ended('git-script-execution', parameters)).result).toMatchObject({
          file: 'report for a b\n',
        });
        const report = await ended('http-report', { url: `${server.url}/api/version`, format: 'json' });
        expect(report.result).toMatchObject({ media_type: 'application/json' });
      },
      LIMIT_MS,
    );

    it('are all of those in the folder', async () => {
      await ended('noop', { echo: 1 });
      const shipped = (await readdir('templates')).filter((name) => name.endsWith('.yaml'));
      expect([...ran].toSorted()).toEqual(shipped.map((name) => name.replace('.yaml', '')).toSorted());
    });
  });
};
