/**
 * Memory that a model will occupy: weights plus key/value cache of every slot, as Ollama 0.24 predicts it before a
 * load (server/sched.go): file size + 2 · layers · KV heads · head dimension · context · slots · 2 bytes, f16 cache.
 * A context beyond the trained one is cut down to it. Layers that look back through a window only take less than this; the
 * prediction, by which the server decides what to evict, does not know that either, so less must not be promised.
 *
 * Where the metadata is incomplete the cache is taken as a quarter of the weights at 8k tokens over all slots, which is
 * above most of the published shapes; llama3.2:3b, gemma2:9b and nomic-embed-text take more.
 */
export const estimateVramBytes = (model: {
  readonly fileBytes: number;
  readonly modelInfo: Readonly<Record<string, unknown>>;
  readonly numCtx: number;
  readonly slots: number;
}): number => {
  const { fileBytes, modelInfo, numCtx, slots } = model;
  const cache = kvCacheBytesPerToken(modelInfo) ?? fileBytes / 4 / INCOMPLETE_TOKENS;
  return Math.ceil(fileBytes + cache * Math.min(numCtx, trainedContext(modelInfo)) * slots);
};

const INCOMPLETE_TOKENS = 8_192;
const F16_BYTES = 2;

type Info = Readonly<Record<string, unknown>>;

const trainedContext = (info: Info): number => counted(info, 'context_length') ?? Infinity;

const kvCacheBytesPerToken = (info: Info): number | null => {
  const layers = counted(info, 'block_count');
  const heads = counted(info, 'attention.head_count') ?? mostOf(info, 'attention.head_count');
  const embedding = counted(info, 'embedding_length');
  if (layers === null || heads === null || embedding === null) return null;
  const kvHeads = kvHeadsOfAllLayers(info, layers) ?? heads * layers;
  const headDimension = counted(info, 'attention.key_length') ?? embedding / heads;
  const valueDimension = counted(info, 'attention.value_length') ?? headDimension;
  return kvHeads * (headDimension + valueDimension) * F16_BYTES;
};

/** Some architectures have another number in each layer, and 0 where a layer has no attention. */
const kvHeadsOfAllLayers = (info: Info, layers: number): number | null => {
  const perLayer = listed(info, 'attention.head_count_kv');
  if (perLayer !== null) return perLayer.reduce((sum, heads) => sum + heads, 0);
  const same = counted(info, 'attention.head_count_kv');
  return same === null ? null : same * layers;
};

const mostOf = (info: Info, name: string): number | null => {
  const most = Math.max(0, ...(listed(info, name) ?? []));
  return most > 0 ? most : null;
};

const listed = (info: Info, name: string): readonly number[] | null => {
  const value = valueOf(info, name);
  const isList = Array.isArray(value) && value.length > 0 && value.every((one) => Number.isInteger(one));
  return isList ? (value as readonly number[]) : null;
};

const counted = (info: Info, name: string): number | null => {
  const value = valueOf(info, name);
  return typeof value === 'number' && value > 0 ? value : null;
};

const valueOf = (info: Info, name: string): unknown => {
  const architecture = info['general.architecture'];
  return typeof architecture === 'string' ? info[`${architecture}.${name}`] : undefined;
};
