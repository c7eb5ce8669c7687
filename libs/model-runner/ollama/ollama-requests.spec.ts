import { describe, expect, it } from '@jest/globals';
import type { GenerateRequest } from '../model-runner.js';
import { loadRequest, runRequest, unloadRequest } from './ollama-requests.js';

const profile = { model: 'm:1b', options: { numCtx: 4096, numBatch: 256, useMmap: false } };
const generate: GenerateRequest = { kind: 'generate', profile, prompt: 'Hi' };

describe('a request to Ollama', () => {
  it('names every runner option of the profile and no keep_alive', () => {
    const { path, body } = runRequest({ ...generate, sampling: { seed: 1 } });
    expect(path).toBe('/api/generate');
    expect(body).toEqual({
      model: 'm:1b',
      prompt: 'Hi',
      stream: true,
      options: { seed: 1, num_ctx: 4096, num_batch: 256, use_mmap: false },
    });
  });

  it('passes on images, format, think, tools and truncation', () => {
    const format = { type: 'object' };
    expect(
      runRequest({ ...generate, images: ['aGk='], format, think: 'low', system: 's', suffix: 'x' }).body,
    ).toMatchObject({
      images: ['aGk='],
      format,
      think: 'low',
      system: 's',
      suffix: 'x',
    });
    const messages = [{ role: 'user', content: 'c', images: ['aGk='] }] as const;
    const tools = [{ type: 'function' }];
    const chat = runRequest({ kind: 'chat', profile, messages, tools, format: 'json', think: false });
    expect(chat).toMatchObject({
      path: '/api/chat',
      body: { messages, tools, format: 'json', think: false },
    });
    const embed = runRequest({ kind: 'embed', profile, input: ['a'], dimensions: 8, truncate: false });
    expect(embed).toMatchObject({
      path: '/api/embed',
      body: { input: ['a'], dimensions: 8, truncate: false },
    });
    expect(embed.body).not.toHaveProperty('stream');
  });

  it('refuses a runner option among the sampling options, for it would reload the model', () => {
    expect(() => runRequest({ ...generate, sampling: { num_ctx: 512 } })).toThrow(
      "m:1b: sampling option 'num_ctx' — a runner option belongs to the profile",
    );
  });

  it.each([
    generate,
    { kind: 'chat', profile, messages: [] } as const,
    { kind: 'embed', profile, input: [] } as const,
  ])('refuses a $kind without words, for it would only load', (request) => {
    const empty = request.kind === 'generate' ? { ...request, prompt: '' } : request;
    expect(() => runRequest(empty)).toThrow('expected at least one');
  });

  it('loads for ever, by an embedding where the model can do nothing else', () => {
    expect(loadRequest(profile, false)).toMatchObject({
      path: '/api/generate',
      body: { keep_alive: -1, stream: false },
    });
    expect(loadRequest(profile, true)).toMatchObject({
      path: '/api/embed',
      body: { keep_alive: -1, input: [] },
    });
    expect(unloadRequest('m:1b')).toMatchObject({
      path: '/api/generate',
      body: { model: 'm:1b', keep_alive: 0 },
    });
  });
});
