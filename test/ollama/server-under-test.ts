/** Which real Ollama the suite talks to; `run.mjs` has made sure that it answers. */
const host = process.env['OLLAMA_HOST'] ?? '127.0.0.1:11434';

export const OLLAMA_URL = host.includes('://') ? host : `http://${host}`;

/** A model that generates. The default is the smallest that holds to a schema; it runs on any CPU. */
export const OLLAMA_MODEL = process.env['OLLAMA_TEST_MODEL'] ?? 'smollm2:135m';

/** Why the model does not embed, in the server's words; undefined when it does. */
export const whyNotEmbedding = async (): Promise<string | undefined> => {
  const body = JSON.stringify({ model: OLLAMA_MODEL, input: 'probe', options: { num_ctx: 512 } });
  const answer = await fetch(`${OLLAMA_URL}/api/embed`, { method: 'POST', body });
  const text = await answer.text();
  return answer.ok ? undefined : `'${OLLAMA_MODEL}' cannot embed: ${answer.status} ${text.slice(0, 200)}`;
};
