import { jest } from '@jest/globals';
import { modelRunnerConformance } from '#libs/model-runner/model-runner.conformance.js';
import { OllamaModelRunner } from '#libs/model-runner/ollama/ollama.model-runner.js';
import { OLLAMA_MODEL, OLLAMA_URL, whyNotEmbedding } from './server-under-test.js';

// A load and a prompt on a CPU take seconds, a test has several of them.
jest.setTimeout(120_000);

modelRunnerConformance(
  `the Ollama adapter on ${OLLAMA_URL}`,
  () =>
    Promise.resolve({
      runner: new OllamaModelRunner({ baseUrl: OLLAMA_URL }),
      model: OLLAMA_MODEL,
      embeddingModel: OLLAMA_MODEL,
      unknownModel: 'nobody:1b',
      unreachable: new OllamaModelRunner({ baseUrl: 'http://127.0.0.1:9' }),
      // About a minute at 30 tokens/s, should the model not end by itself.
      longTokens: 2_000,
      stop: () => Promise.resolve(),
    }),
  await whyNotEmbedding(),
);
