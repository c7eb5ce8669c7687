/**
 * Memory that a model will occupy: weights plus key/value cache of every slot, as Ollama 0.24 predicts it before a
 * load (server/sched.go): file size + 2 · layers · KV heads · head dimension · context · slots · 2 bytes, f16 cache.
 * Where the metadata is incomplete the cache is taken as a quarter of the weights, which at 8k context and one slot is
 * above most of the published shapes; llama3.2:3b, gemma2:9b and nomic-embed-text take more.
 */
export const estimateVramBytes = (model: {
  readonly fileBytes: number;
  readonly modelInfo: Readonly<Record<string, unknown>>;
  readonly numCtx: number;
  readonly slots: number;
}): number => {
  const cache = kvCacheBytesPerToken(model.modelInfo);
  const cacheBytes = cache === null ? model.fileBytes / 4 : cache * model.numCtx * model.slots;
  return Math.ceil(model.fileBytes + cacheBytes);
};

const F16_BYTES = 2;

const kvCacheBytesPerToken = (info: Readonly<Record<string, unknown>>): number | null => {
  const architecture = info['general.architecture'];
  if (typeof architecture !== 'string') return null;
  const number = (name: string): number | null => {
    const value = info[`${architecture}.${name}`];
    return typeof value === 'number' && value > 0 ? value : null;
  };
  const layers = number('block_count');
  const heads = number('attention.head_count');
  const embedding = number('embedding_length');
  if (layers === null || heads === null || embedding === null) return null;
  const kvHeads = number('attention.head_count_kv') ?? heads;
  const headDimension = number('attention.key_length') ?? embedding / heads;
  return 2 * layers * kvHeads * headDimension * F16_BYTES;
};
