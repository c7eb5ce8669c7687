import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { ModelProfile } from '#libs/domain/gpu/profile.js';
import { ModelRunnerError } from './model-runner-error.js';
import type { GenerateRequest, ModelAnswer, ModelRunner, ResidentModel } from './model-runner.js';

/**
 * What every adapter of the port does on every server. It loads and unloads `model` and touches nothing else; the
 * server must have one slot per model, so that a slot that is not freed is seen.
 */
export type ModelRunnerUnderTest = {
  readonly runner: ModelRunner;
  /** Installed, and able to generate and chat. */
  readonly model: string;
  /** Installed, and able to embed; not used where `cannotEmbed` says why no model can. */
  readonly embeddingModel: string;
  /** A model that is not installed. */
  readonly unknownModel: string;
  /** Where nothing listens. */
  readonly unreachable: ModelRunner;
  /** Tokens of a generation that is to be aborted: it must take much longer than a second. */
  readonly longTokens: number;
  readonly stop: () => Promise<void>;
};

/**
 * An aborted run has to make way for the next one within a second, or, on a machine so busy that a token takes that
 * long, within a twentieth of the time that it would still have taken at the speed it had.
 */
const freedWithinMs = (perTokenMs: number, tokensLeft: number): number =>
  Math.max(1_000, (perTokenMs * tokensLeft) / 20);

/** `cannotEmbed`: why nothing on this server embeds; what is about embedding is then skipped under that reason. */
export const modelRunnerConformance = (
  name: string,
  start: () => Promise<ModelRunnerUnderTest>,
  cannotEmbed?: string,
): void => {
  describe(`model runner conformance: ${name}`, () => {
    let tested: ModelRunnerUnderTest;
    const profile = (numCtx = 2048): ModelProfile => ({
      model: tested.model,
      options: { numCtx, numBatch: 256 },
    });
    const ask = (prompt: string, maxTokens: number, numCtx?: number): GenerateRequest => ({
      kind: 'generate',
      profile: profile(numCtx),
      prompt,
      sampling: { num_predict: maxTokens, seed: 7, temperature: 0 },
    });
    const resident = async (): Promise<ResidentModel | undefined> =>
      (await tested.runner.listResident()).find(({ model }) => model === tested.model);

    beforeAll(async () => {
      tested = await start();
    });
    afterAll(async () => {
      await tested.runner.unload(tested.model).catch(() => undefined);
      await tested.stop();
    });

    describe('looking at the server', () => {
      it('names the version', async () => {
        expect((await tested.runner.probe()).version).toMatch(/^\d+\.\d+/);
      });

      it('lists what is installed with digest and size', async () => {
        const found = (await tested.runner.listInstalled()).find(({ model }) => model === tested.model);
        expect(found?.digest).toMatch(/^[0-9a-f]{64}$/);
        expect(found?.sizeBytes).toBeGreaterThan(1_000_000);
      });

      it('describes a model by what an estimate of its memory needs', async () => {
        const { capabilities, modelInfo, quantization } = await tested.runner.describe(tested.model);
        const architecture = String(modelInfo['general.architecture']);
        expect(capabilities).toContain('completion');
        expect(quantization).toBeTruthy();
        for (const key of ['block_count', 'context_length', 'embedding_length', 'attention.head_count_kv']) {
          expect(modelInfo[`${architecture}.${key}`]).toBeGreaterThan(0);
        }
      });

      it('says that a server where nothing listens cannot be reached', async () => {
        await expectCode(tested.unreachable.probe(), 'SERVER_UNREACHABLE');
        await expectCode(tested.unreachable.run(ask('Hello', 1), {}), 'SERVER_UNREACHABLE');
      });

      it('knows an unknown model on every way to it', async () => {
        const unknown: ModelProfile = { model: tested.unknownModel, options: { numCtx: 2048 } };
        await expectCode(tested.runner.describe(tested.unknownModel), 'MODEL_NOT_FOUND');
        await expectCode(tested.runner.load(unknown), 'MODEL_NOT_FOUND');
        await expectCode(tested.runner.unload(tested.unknownModel), 'MODEL_NOT_FOUND');
        await expectCode(tested.runner.run({ ...ask('Hello', 1), profile: unknown }, {}), 'MODEL_NOT_FOUND');
        const embed = { kind: 'embed', profile: unknown, input: ['Hello'] } as const;
        await expectCode(tested.runner.run(embed, {}), 'MODEL_NOT_FOUND');
      });
    });

    describe('residency', () => {
      it('loads a model to stay and answers with what the server then lists', async () => {
        await tested.runner.unload(tested.model);
        expect(await resident()).toBeUndefined();
        const loaded = await tested.runner.load(profile());
        expect(loaded.loadMs).toBeGreaterThan(0);
        expect(loaded.sizeBytes).toBeGreaterThan(0);
        expect(loaded.vramBytes).toBeLessThanOrEqual(loaded.sizeBytes);
        // For ever is more than a century away.
        expect(new Date(loaded.expiresAt ?? 0).getTime()).toBeGreaterThan(
          Date.now() + 100 * 365 * 86_400_000,
        );
        expect(await resident()).toMatchObject({ model: tested.model, digest: loaded.digest });
      });

      it('hands the runner options to the server', async () => {
        expect((await tested.runner.load(profile(1024))).contextLength).toBe(1024);
        expect((await tested.runner.load(profile(2048))).contextLength).toBe(2048);
      });

      it('keeps a loaded model for a run with the same options, and as long as it was to stay', async () => {
        await tested.runner.load(profile());
        const before = await resident();
        await tested.runner.run(ask('Say hello.', 3), {});
        const after = await resident();
        // A model that was loaded anew, for a run that does not say how long, would stay for minutes.
        expect(new Date(after?.expiresAt ?? 0).getFullYear()).toBe(
          new Date(before?.expiresAt ?? 0).getFullYear(),
        );
      });

      it('unloads, and unloading again changes nothing', async () => {
        await tested.runner.load(profile());
        await tested.runner.unload(tested.model);
        expect(await resident()).toBeUndefined();
        await tested.runner.unload(tested.model);
        expect(await resident()).toBeUndefined();
      });
    });

    describe('running', () => {
      beforeEach(async () => {
        await tested.runner.load(profile());
      });

      it('streams the text of a generation in order and fills in what it used', async () => {
        const parts: string[] = [];
        let started = 0;
        const answer = await tested.runner.run(ask('Describe a lighthouse.', 24), {
          onStarted: () => void (started += 1),
          onToken: ({ text }) => void parts.push(text),
        });
        expect(started).toBe(1);
        expect(parts.length).toBeGreaterThan(5);
        expect(parts.join('')).toBe(answer.text);
        expect(answer.doneReason).toBe('length');
        expectUsage(answer, 24);
      });

      it('chats', async () => {
        const answer = await tested.runner.run(
          {
            kind: 'chat',
            profile: profile(),
            messages: [
              { role: 'system', content: 'Answer briefly.' },
              { role: 'user', content: 'What is a lighthouse?' },
            ],
            sampling: { num_predict: 12, seed: 7 },
          },
          {},
        );
        expect(answer.text.length).toBeGreaterThan(0);
        expect(['stop', 'length']).toContain(answer.doneReason);
        expectUsage(answer, 12);
      });

      it('holds an answer to a JSON Schema', async () => {
        const format = {
          type: 'object',
          properties: { colour: { type: 'string', enum: ['red', 'blue'] }, count: { type: 'integer' } },
          required: ['colour', 'count'],
        };
        const answer = await tested.runner.run({ ...ask('Pick a colour and a count.', 80), format }, {});
        const value = JSON.parse(answer.text) as { colour: unknown; count: unknown };
        expect(['red', 'blue']).toContain(value.colour);
        expect(Number.isInteger(value.count)).toBe(true);
        expect(answer.doneReason).toBe('stop');
      });

      it('gives the same answer to the same request', async () => {
        const first = await tested.runner.run(ask('Name a colour.', 8), {});
        const second = await tested.runner.run(ask('Name a colour.', 8), {});
        expect(second.text).toBe(first.text);
      });

      it('answers requests that come at the same time, each with its own text', async () => {
        const prompts = ['Name a river.', 'Name a mountain.', 'Name a planet.'];
        const together = await Promise.all(prompts.map((prompt) => tested.runner.run(ask(prompt, 6), {})));
        for (const answer of together) expectUsage(answer, 6);
        expect(together).toHaveLength(prompts.length);
      });

      it('refuses what the server would take for the order to load', async () => {
        await expectCode(tested.runner.run(ask('', 1), {}), 'MODEL_REQUEST_REFUSED');
      });

      it('refuses a sampling option of the wrong type as final', async () => {
        const wrong = { ...ask('Hello', 1), sampling: { seed: 'seven' } };
        await expectCode(tested.runner.run(wrong, {}), 'MODEL_REQUEST_REFUSED');
      });
    });

    describe('embedding', () => {
      const itEmbeds = cannotEmbed === undefined ? it : it.skip;
      itEmbeds(
        `gives one vector of length 1 per text${cannotEmbed === undefined ? '' : `: ${cannotEmbed}`}`,
        async () => {
          const { embeddingModel } = tested;
          const embedProfile = { model: embeddingModel, options: { numCtx: 512 } };
          const loaded = await tested.runner.load(embedProfile);
          expect(loaded.model).toContain(embeddingModel);
          const input = ['a red apple', 'a green apple', 'a quarterly report'];
          const answer = await tested.runner.run({ kind: 'embed', profile: embedProfile, input }, {});
          expect(answer.embeddings).toHaveLength(3);
          for (const vector of answer.embeddings ?? []) expect(Math.hypot(...vector)).toBeCloseTo(1, 3);
          expect(answer.usage.tokensIn).toBeGreaterThan(0);
          await tested.runner.unload(embeddingModel);
        },
      );
    });

    describe('aborting', () => {
      beforeEach(async () => {
        await tested.runner.load(profile());
      });

      it('does not send what was aborted before', async () => {
        const error = await failure(tested.runner.run(ask('Hello', 1), {}, AbortSignal.abort()));
        expect(error).toMatchObject({ code: 'RUN_ABORTED', details: { confirmed: true } });
      });

      it('frees the slot in mid-generation and proves it', async () => {
        const { runner, longTokens } = tested;
        const abort = new AbortController();
        let tokens = 0;
        let firstAt = 0;
        let perTokenMs = 0;
        const running = runner.run(
          ask('Write a very long story about the sea.', longTokens),
          {
            onToken: () => {
              tokens += 1;
              firstAt ||= performance.now();
              if (tokens !== 5) return;
              perTokenMs = (performance.now() - firstAt) / 4;
              abort.abort();
            },
          },
          abort.signal,
        );
        const error = await failure(running);
        expect(error).toMatchObject({
          code: 'RUN_ABORTED',
          details: { confirmed: true, confirmedBy: 'idle' },
        });
        expect(tokens).toBe(5);
        const startedAt = performance.now();
        await runner.run(ask('Hello', 1), {});
        expect(performance.now() - startedAt).toBeLessThan(freedWithinMs(perTokenMs, longTokens));
      });

      it('hands the slot of an aborted run to the next in line, who would have waited for long', async () => {
        const { runner, longTokens } = tested;
        const abort = new AbortController();
        const [begun, goneOn] = [signal(), signal()];
        let tokens = 0;
        const onToken = (): void => {
          tokens += 1;
          if (tokens === 1) begun.give();
          if (tokens === 40) goneOn.give();
        };
        const long = failure(
          runner.run(ask('Tell a very long tale of the sea.', longTokens), { onToken }, abort.signal),
        );
        await begun.given;
        const begunAt = performance.now();
        let answered = false;
        const next = runner.run(ask('Hello', 1), { onToken: () => (answered = true) });
        await goneOn.given;
        expect(answered).toBe(false);
        const abortedAt = performance.now();
        abort.abort();
        await next;
        expect(performance.now() - abortedAt).toBeLessThan(
          freedWithinMs((abortedAt - begunAt) / 39, longTokens - 40),
        );
        expect(await long).toMatchObject({ code: 'RUN_ABORTED' });
      });

      it('lets go of a run that waits for the slot', async () => {
        const { runner, longTokens } = tested;
        const [first, second] = [new AbortController(), new AbortController()];
        const firstRuns = signal();
        const running = failure(
          runner.run(ask('Tell a long tale.', longTokens), { onToken: () => firstRuns.give() }, first.signal),
        );
        await firstRuns.given;
        const secondSent = signal();
        const waiting = failure(
          runner.run(ask('Tell another.', longTokens), { onStarted: () => secondSent.give() }, second.signal),
        );
        await secondSent.given;
        second.abort();
        expect(await waiting).toMatchObject({ code: 'RUN_ABORTED' });
        first.abort();
        expect(await running).toMatchObject({ code: 'RUN_ABORTED', details: { confirmed: true } });
      });
    });
  });
};

/** Something to wait for that a hook gives. */
const signal = (): { readonly given: Promise<void>; readonly give: () => void } => {
  let give = (): void => undefined;
  const given = new Promise<void>((resolve) => (give = resolve));
  return { given, give: () => give() };
};

const failure = async (run: Promise<unknown>): Promise<ModelRunnerError> => {
  const outcome = await run.then(
    () => new Error('it succeeded'),
    (error: unknown) => error,
  );
  if (outcome instanceof ModelRunnerError) return outcome;
  throw new Error(`expected a ModelRunnerError, got ${String(outcome)}`, { cause: outcome });
};

const expectCode = async (run: Promise<unknown>, code: string): Promise<void> => {
  expect((await failure(run)).code).toBe(code);
};

const expectUsage = ({ usage }: ModelAnswer, tokensMax: number): void => {
  expect(usage.tokensIn).toBeGreaterThan(0);
  expect(usage.tokensOut).toBeGreaterThan(0);
  expect(usage.tokensOut).toBeLessThanOrEqual(tokensMax);
  for (const ms of [usage.promptMs, usage.generationMs, usage.totalMs]) expect(ms).toBeGreaterThan(0);
  expect(usage.totalMs).toBeGreaterThanOrEqual(usage.generationMs);
};
