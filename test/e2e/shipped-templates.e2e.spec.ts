import { shippedTemplates } from './shipped-templates.conformance.js';
import { SimulatedServer } from './simulated-server.js';

shippedTemplates('on the simulator', {
  start: async () => {
    const server = await SimulatedServer.start({ id: 'attic', vramBytes: 8 * 1024 ** 3, timeScale: 50 });
    return { entry: server.entry, url: server.url, stop: async () => await server.kill() };
  },
  model: 'llama3.2:1b',
  embeddingModel: 'nomic-embed-text:latest',
  options: {},
});
