/**
 * `npm run test:ollama`: the conformance suites against a real Ollama, where there is one. OLLAMA_HOST says where,
 * OLLAMA_TEST_MODEL which model. Without a server, or without the model, it says so and is content.
 */
import { spawnSync } from 'node:child_process';

const host = process.env.OLLAMA_HOST ?? '127.0.0.1:11434';
const url = host.includes('://') ? host : `http://${host}`;
const model = process.env.OLLAMA_TEST_MODEL ?? 'smollm2:135m';

const installed = async () => {
  // Two seconds: the server is on this machine or near it, and says only what it has on disk.
  const answer = await fetch(`${url}/api/tags`, { signal: AbortSignal.timeout(2_000) });
  return (await answer.json()).models.map(({ name }) => name);
};

const skip = (reason) => {
  console.log(`test:ollama skipped: ${reason}. How to set one up: test/ollama/README.md`);
  process.exit(0);
};

const models = await installed().catch((error) =>
  skip(`no Ollama answers at ${url} (${error.cause?.code ?? error.cause?.message ?? error.message})`),
);
if (!models.includes(model))
  skip(`the Ollama at ${url} has no '${model}' (it has: ${models.join(', ') || 'nothing'})`);

// One file after the other: they load and unload the same model.
const jest = ['--experimental-vm-modules', '--no-warnings', 'node_modules/jest/bin/jest.js'];
const args = [...jest, '--selectProjects', 'ollama', '--runInBand', ...process.argv.slice(2)];
const { status } = spawnSync(process.execPath, args, { stdio: 'inherit' });
process.exit(status ?? 1);
