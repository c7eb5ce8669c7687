import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { findSandbox } from '#apps/executor/sandbox/find-sandbox.js';
import type { TaskView } from '#libs/contracts/queries.js';
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
  const ran = new Set<string>();

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
    platform = await RunningPlatform.start({
      servers: `servers:\n${server.entry}`,
      env: {
        ORCHESTRA_GIT_PROTOCOLS: 'https,file',
        ORCHESTRA_READ_ROOTS: home,
        ORCHESTRA_HTTP_ALLOW: new URL(server.url).host,
        ORCHESTRA_UNSANDBOXED: sandbox.kind === 'bwrap' ? 'refuse' : 'allow',
      },
    });
  }, 180_000);

  afterAll(async () => {
    await platform?.stop();
    await server?.stop();
    await rm(home, { recursive: true, force: true });
  }, 60_000);

  const ended = async (template: string, parameters: object): Promise<TaskView> => {
    ran.add(template);
    const task = await platform.api.ended(await platform.api.submit({ template, parameters }, randomUUID()));
    expect({ error: task.error, status: task.status }).toEqual({ error: null, status: 'completed' });
    return task;
  };

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
