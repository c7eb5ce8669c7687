import { jest } from '@jest/globals';
import { ollamaApiConformance } from '#libs/testing/ollama-simulator/ollama-api.conformance.js';
import { OLLAMA_MODEL, OLLAMA_URL } from './server-under-test.js';

jest.setTimeout(120_000);

ollamaApiConformance(OLLAMA_URL, () =>
  Promise.resolve({ url: OLLAMA_URL, model: OLLAMA_MODEL, stop: () => Promise.resolve() }),
);
