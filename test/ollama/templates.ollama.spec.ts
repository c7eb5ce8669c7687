import { shippedTemplates } from '../e2e/shipped-templates.conformance.js';
import { OLLAMA_MODEL, OLLAMA_URL } from './server-under-test.js';

shippedTemplates('on a real Ollama', {
  start: async () => ({
    entry: `  - { id: ollama-1, url: '${OLLAMA_URL}', vram: 8GiB, slots: 1, device: cpu }\n`,
    url: OLLAMA_URL,
    stop: async () => undefined,
  }),
  model: OLLAMA_MODEL,
  // Any model that generates embeds too; what is shown is that the template runs, not that the passages are good.
  embeddingModel: OLLAMA_MODEL,
  options: { num_ctx: 2_048, num_predict: 160 },
});
