import { request as httpRequest } from 'http';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Ollama } from 'ollama';

/**
 * What a client can see of Ollama's HTTP API, field by field and status by status. A real Ollama and the simulator
 * both pass it, so that a test against the simulator says something about the real one.
 */
export type OllamaApiUnderTest = {
  readonly url: string;
  /** Installed; generates; neither thinks nor knows `suffix`. */
  readonly model: string;
  readonly stop: () => Promise<void>;
};

type Answer = { readonly status: number; readonly type: string; readonly text: string };

export const ollamaApiConformance = (name: string, start: () => Promise<OllamaApiUnderTest>): void => {
  describe(`Ollama API conformance: ${name}`, () => {
    let tested: OllamaApiUnderTest;
    let client: Ollama;
    const options = { num_ctx: 2048, num_predict: 4, seed: 3 };

    const send = (method: string, path: string, body?: unknown, headers: Record<string, string> = {}) =>
      new Promise<Answer>((resolve, reject) => {
        const bytes = typeof body === 'string' ? body : body === undefined ? '' : JSON.stringify(body);
        // Node sends no length by itself for a DELETE, and its body would be taken for the next request.
        const length = { 'content-length': String(Buffer.byteLength(bytes)) };
        const sent = httpRequest(
          `${tested.url}${path}`,
          { method, headers: { ...length, ...headers }, agent: false },
          (response) => {
            let text = '';
            response.setEncoding('utf8');
            response.on('data', (chunk: string) => (text += chunk));
            response.on('end', () =>
              resolve({
                status: response.statusCode ?? 0,
                type: response.headers['content-type'] ?? '',
                text,
              }),
            );
            response.on('error', reject);
          },
        );
        sent.on('error', reject);
        sent.end(bytes);
      });
    const lines = (answer: Answer): Record<string, unknown>[] =>
      answer.text
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line) as Record<string, unknown>);
    const listed = async () => (await client.ps()).models.find(({ model }) => model === tested.model);
    const gone = async (): Promise<void> => {
      while (await listed()) await new Promise((resolve) => setImmediate(resolve));
    };

    beforeAll(async () => {
      tested = await start();
      client = new Ollama({ host: tested.url });
    });
    afterAll(async () => {
      await client.generate({ model: tested.model, prompt: '', keep_alive: 0 }).catch(() => undefined);
      await tested.stop();
    });

    describe('the official client', () => {
      it('generates in one piece', async () => {
        const answer = await client.generate({ model: tested.model, prompt: 'Say hello.', options });
        expect(Object.keys(answer)).toEqual([
          'model',
          'created_at',
          'response',
          'done',
          'done_reason',
          'context',
          ...FIGURES,
        ]);
        expect(answer).toMatchObject({
          model: tested.model,
          done: true,
          done_reason: 'length',
          eval_count: 4,
        });
        expect(answer.response).not.toBe('');
      });

      it('generates as a stream', async () => {
        const parts = [];
        for await (const part of await client.generate({
          model: tested.model,
          prompt: 'Hi',
          options,
          stream: true,
        })) {
          parts.push(part);
        }
        const last = parts.pop();
        for (const part of parts) {
          expect(Object.keys(part)).toEqual(['model', 'created_at', 'response', 'done']);
          expect(part.done).toBe(false);
        }
        expect(last).toMatchObject({ response: '', done: true, done_reason: 'length' });
        expect(last?.total_duration).toBeGreaterThan(last?.eval_duration ?? Infinity);
      });

      it('chats, in one piece and as a stream', async () => {
        const messages = [{ role: 'user', content: 'Hi' }];
        const whole = await client.chat({ model: tested.model, messages, options });
        expect(Object.keys(whole)).toEqual([
          'model',
          'created_at',
          'message',
          'done',
          'done_reason',
          ...FIGURES,
        ]);
        expect(whole.message.role).toBe('assistant');
        const parts = [];
        for await (const part of await client.chat({ model: tested.model, messages, options, stream: true }))
          parts.push(part);
        expect(parts.at(-1)).toMatchObject({ message: { role: 'assistant', content: '' }, done: true });
        expect(parts.slice(0, -1).every(({ done }) => !done)).toBe(true);
      });

      it('stops a stream', async () => {
        const stream = await client.generate({
          model: tested.model,
          prompt: 'A long story.',
          options: { ...options, num_predict: 5_000 },
          stream: true,
        });
        await expect(
          (async () => {
            for await (const part of stream) if (!part.done) stream.abort();
          })(),
        ).rejects.toThrow(/abort/i);
      });

      it('embeds one text and several', async () => {
        const one = await client.embed({ model: tested.model, input: 'apple', options: { num_ctx: 2048 } });
        expect(Object.keys(one).filter((key) => key !== 'load_duration')).toEqual([
          'model',
          'embeddings',
          'total_duration',
          'prompt_eval_count',
        ]);
        const many = await client.embed({
          model: tested.model,
          input: ['apple', 'pear'],
          options: { num_ctx: 2048 },
        });
        expect(many.embeddings).toHaveLength(2);
        expect(Math.hypot(...(many.embeddings[0] ?? []))).toBeCloseTo(1, 3);
        const old = await client.embeddings({
          model: tested.model,
          prompt: 'apple',
          options: { num_ctx: 2048 },
        });
        expect(old.embedding).toHaveLength(one.embeddings[0]?.length ?? 0);
      });

      it('lists, shows and names the version', async () => {
        const found = (await client.list()).models.find(({ model }) => model === tested.model);
        expect(Object.keys(found ?? {}).slice(0, 6)).toEqual([
          'name',
          'model',
          'modified_at',
          'size',
          'digest',
          'details',
        ]);
        expect(Object.keys(found?.details ?? {}).slice(0, 6)).toEqual(DETAILS);
        const shown = await client.show({ model: tested.model });
        expect(shown.details.format).toBe('gguf');
        expect(shown.capabilities).toContain('completion');
        expect((await client.version()).version).toMatch(/^\d+\.\d+/);
      });

      it('lists what is loaded', async () => {
        await client.generate({ model: tested.model, prompt: '', options, keep_alive: '10m' });
        const found = await listed();
        expect(Object.keys(found ?? {})).toEqual(RESIDENT);
        expect(found).toMatchObject({ name: tested.model, context_length: 2048 });
        const leftMs = new Date(String(found?.expires_at)).getTime() - Date.now();
        expect(leftMs).toBeLessThanOrEqual(600_000);
      });
    });

    describe('keeping a model', () => {
      it('loads without words, for ever below zero', async () => {
        const answer = await send('POST', '/api/generate', { model: tested.model, keep_alive: -1, options });
        expect(answer).toMatchObject({ status: 200, type: JSON_TYPE });
        const body = lines(answer)[0] ?? {};
        expect(Object.keys(body)).toEqual(['model', 'created_at', 'response', 'done', 'done_reason']);
        expect(body).toMatchObject({ response: '', done: true, done_reason: 'load' });
        expect(new Date(String((await listed())?.expires_at)).getFullYear()).toBeGreaterThan(2300);
      });

      it('lets the last request say how long', async () => {
        await client.generate({ model: tested.model, prompt: 'Hi', options, keep_alive: '1h' });
        const leftMs = new Date(String((await listed())?.expires_at)).getTime() - Date.now();
        expect(leftMs).toBeLessThanOrEqual(3_600_000);
        expect(leftMs).toBeGreaterThan(0);
      });

      it('unloads without words at 0', async () => {
        await client.generate({ model: tested.model, prompt: '', options });
        const answer = await send('POST', '/api/chat', { model: tested.model, messages: [], keep_alive: 0 });
        expect(lines(answer)[0]).toMatchObject({
          message: { role: 'assistant', content: '' },
          done_reason: 'unload',
        });
        await gone();
      });

      it('unloads after an answer with 0', async () => {
        const answer = await client.generate({ model: tested.model, prompt: 'Hi', options, keep_alive: 0 });
        expect(answer.done_reason).toBe('length');
        await gone();
      });

      it('loads by an embedding without texts', async () => {
        const answer = await send('POST', '/api/embed', { model: tested.model, input: [], options });
        expect(lines(answer)).toEqual([{ model: tested.model, embeddings: [] }]);
        expect(await listed()).toBeDefined();
      });
    });

    describe('the wire', () => {
      it('streams newline-delimited JSON with times to the nanosecond', async () => {
        const answer = await send('POST', '/api/generate', { model: tested.model, prompt: 'Hi', options });
        expect(answer).toMatchObject({ status: 200, type: 'application/x-ndjson' });
        for (const line of lines(answer))
          expect(line['created_at']).toMatch(/^\d{4}-\d\d-\d\dT[\d:]{8}\.\d{4,9}Z$/);
        const last = lines(answer).at(-1) ?? {};
        for (const name of FIGURES) expect(Number.isInteger(last[name])).toBe(true);
      });

      it('leaves the context out of a raw answer', async () => {
        const answer = await send('POST', '/api/generate', {
          model: tested.model,
          prompt: 'Hi',
          raw: true,
          options,
        });
        expect(Object.keys(lines(answer).at(-1) ?? {})).not.toContain('context');
      });

      it('says that it runs', async () => {
        expect(await send('GET', '/')).toEqual({
          status: 200,
          type: 'text/plain; charset=utf-8',
          text: 'Ollama is running',
        });
        expect(await send('HEAD', '/')).toMatchObject({ status: 200, text: '' });
        expect(await send('HEAD', '/api/tags')).toMatchObject({ status: 200, type: JSON_TYPE, text: '' });
      });

      it('answers to names of this machine alone', async () => {
        expect((await send('GET', '/api/tags', undefined, { host: 'attacker.example' })).status).toBe(403);
        expect((await send('GET', '/api/tags', undefined, { host: 'box.local:11434' })).status).toBe(200);
      });

      it('knows its routes and their methods', async () => {
        expect(await send('GET', '/api/none')).toEqual({
          status: 404,
          type: 'text/plain',
          text: '404 page not found',
        });
        const wrong = { status: 405, type: 'text/plain', text: '405 method not allowed' };
        expect(await send('GET', '/api/generate')).toEqual(wrong);
      });
    });

    describe('refusals', () => {
      it.each(REFUSALS)('$of: $status', async ({ method = 'POST', path, body, status, says }) => {
        const named = JSON.stringify(body ?? '').replaceAll('MODEL', tested.model);
        const raw = typeof body === 'string' ? body : body === undefined ? undefined : named;
        const answer = await send(method, path, raw);
        expect({ status: answer.status, body: JSON.parse(answer.text) as unknown }).toEqual({
          status,
          body: { error: says.replaceAll('MODEL', tested.model) },
        });
      });
    });
  });
};

const JSON_TYPE = 'application/json; charset=utf-8';
const FIGURES = [
  'total_duration',
  'load_duration',
  'prompt_eval_count',
  'prompt_eval_duration',
  'eval_count',
  'eval_duration',
];
const DETAILS = ['parent_model', 'format', 'family', 'families', 'parameter_size', 'quantization_level'];
const RESIDENT = ['name', 'model', 'size', 'digest', 'details', 'expires_at', 'size_vram', 'context_length'];

type Refusal = {
  readonly of: string;
  readonly method?: string;
  readonly path: string;
  /** An object, or the very bytes; MODEL stands for the installed model. */
  readonly body?: unknown;
  readonly status: number;
  readonly says: string;
};

const GENERATE = '/api/generate';
const WORDS = { model: 'MODEL', prompt: 'x' };
const SAYS_NOT_FOUND = "model 'nobody:1b' not found";
const SAYS_PULL_FIRST = 'model "nobody:1b" not found, try pulling it first';

/** Statuses and words as v0.24.0 gives them. */
const REFUSALS: readonly Refusal[] = [
  { of: 'no body', path: GENERATE, status: 400, says: 'missing request body' },
  {
    of: 'no JSON',
    path: GENERATE,
    body: '{bad',
    status: 400,
    says: "invalid character 'b' looking for beginning of object key string",
  },
  {
    of: 'generate, unknown',
    path: GENERATE,
    body: { model: 'nobody:1b', prompt: 'x' },
    status: 404,
    says: SAYS_NOT_FOUND,
  },
  {
    of: 'chat, unknown',
    path: '/api/chat',
    body: { model: 'nobody:1b', messages: [] },
    status: 404,
    says: SAYS_NOT_FOUND,
  },
  { of: 'show, unknown', path: '/api/show', body: { model: 'nobody:1b' }, status: 404, says: SAYS_NOT_FOUND },
  {
    of: 'delete, unknown',
    method: 'DELETE',
    path: '/api/delete',
    body: { model: 'nobody:1b' },
    status: 404,
    says: SAYS_NOT_FOUND,
  },
  {
    of: 'embed, unknown',
    path: '/api/embed',
    body: { model: 'nobody:1b', input: 'x' },
    status: 404,
    says: SAYS_PULL_FIRST,
  },
  {
    of: 'embeddings, unknown',
    path: '/api/embeddings',
    body: { model: 'nobody:1b', prompt: 'x' },
    status: 404,
    says: SAYS_PULL_FIRST,
  },
  {
    of: 'copy, unknown',
    path: '/api/copy',
    body: { source: 'nobody:1b', destination: 'b' },
    status: 404,
    says: 'model "nobody:1b" not found',
  },
  {
    of: 'generate, no model',
    path: GENERATE,
    body: { prompt: 'x' },
    status: 404,
    says: "model '' not found",
  },
  { of: 'chat, no model', path: '/api/chat', body: { messages: [] }, status: 400, says: 'model is required' },
  {
    of: 'embed, no model',
    path: '/api/embed',
    body: { input: 'x' },
    status: 404,
    says: "model '' not found",
  },
  { of: 'show, no model', path: '/api/show', body: {}, status: 400, says: 'model is required' },
  {
    of: 'a name that is none',
    path: GENERATE,
    body: { model: 'a b', prompt: 'x' },
    status: 400,
    says: 'invalid model name',
  },
  {
    of: 'a model of another type',
    path: GENERATE,
    body: { model: 5 },
    status: 400,
    says: 'json: cannot unmarshal number into Go struct field GenerateRequest.model of type string',
  },
  {
    of: 'keep_alive without a unit',
    path: GENERATE,
    body: { model: 'MODEL', keep_alive: '300' },
    status: 400,
    says: 'time: missing unit in duration "300"',
  },
  {
    of: 'keep_alive of another type',
    path: GENERATE,
    body: { model: 'MODEL', keep_alive: true },
    status: 400,
    says: "Unsupported type: 'bool'",
  },
  {
    of: 'think without the ability',
    path: GENERATE,
    body: { ...WORDS, think: true },
    status: 400,
    says: '"MODEL" does not support thinking',
  },
  {
    of: 'think of another kind',
    path: GENERATE,
    body: { ...WORDS, think: 'often' },
    status: 400,
    says: 'invalid think value: "often" (must be "high", "medium", "low", "max", true, or false)',
  },
  {
    of: 'suffix without the ability',
    path: GENERATE,
    body: { ...WORDS, suffix: 'y' },
    status: 400,
    says: 'registry.ollama.ai/library/MODEL does not support insert',
  },
  {
    of: 'an option of another type',
    path: GENERATE,
    body: { ...WORDS, options: { num_ctx: 'big' } },
    status: 500,
    says: 'option "num_ctx" must be of type integer',
  },
  {
    of: 'a stop that is no list',
    path: GENERATE,
    body: { ...WORDS, options: { stop: 'big' } },
    status: 500,
    says: 'option "stop" must be of type array',
  },
  {
    of: 'a format that is none',
    path: GENERATE,
    body: { ...WORDS, format: 'xml' },
    status: 500,
    says: 'invalid format: "\\"xml\\""; expected "json" or a valid JSON Schema object',
  },
  {
    of: 'an input of another type',
    path: '/api/embed',
    body: { model: 'MODEL', input: [1] },
    status: 400,
    says: 'invalid input type',
  },
];
