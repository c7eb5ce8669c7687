import { OllamaModelRunner } from '#libs/model-runner/ollama/ollama.model-runner.js';
import { modelRunnerConformance } from '#libs/model-runner/model-runner.conformance.js';
import { ollamaApiConformance } from './ollama-api.conformance.js';
import { startOllamaSimulator } from './ollama-simulator.js';

modelRunnerConformance('the Ollama adapter on the simulator', async () => {
  const simulator = await startOllamaSimulator({ timeScale: 20 });
  return {
    runner: new OllamaModelRunner({ baseUrl: simulator.url }),
    model: 'smollm2:135m',
    embeddingModel: 'nomic-embed-text',
    unknownModel: 'nobody:1b',
    unreachable: new OllamaModelRunner({ baseUrl: 'http://127.0.0.1:9' }),
    // At 420 tokens/s and twenty times real time: 12 s.
    longTokens: 100_000,
    stop: simulator.stop,
  };
});

ollamaApiConformance('the simulator', async () => {
  const simulator = await startOllamaSimulator({ timeScale: 20 });
  return { url: simulator.url, model: 'smollm2:135m', stop: simulator.stop };
});
