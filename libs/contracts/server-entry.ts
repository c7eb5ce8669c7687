import type { ServerSpec } from '#libs/domain/gpu/events.js';
import { isId } from '#libs/domain/ids.js';

/** A field of a server that is not accepted, with what would be. */
export type EntryProblem = { readonly field: string; readonly value: unknown; readonly accepted: string };

export const ENTRY_FIELDS = ['url', 'vram', 'slots', 'device', 'labels', 'pull_missing'] as const;

/** A GPU of the machine on which the list of servers is read. */
export type LocalGpu = { readonly index: number; readonly name: string; readonly memoryBytes: number };

/** Not checked yet. */
export type ServerEntry = { readonly [Field in (typeof ENTRY_FIELDS)[number]]?: unknown };

/** Two orders of magnitude more than what people write there. */
const URL_MAX = 2_048;
const LABELS_MAX = 64;
const LABEL_TEXT_MAX = 128;

/** `OLLAMA_NUM_PARALLEL` beyond this serves nobody faster. */
const SLOTS_MAX = 256;

/**
 * One server as people write it, in the file or to the API: `url` and `vram` (`24GiB`), and `slots` (1), `device` (`gpu`),
 * `labels` ({}) and `pull_missing` (false).
 *
 * `vram: auto`, or none at all, is the memory of the first of `gpus`, `auto:1` that of the one with index 1: for a server on
 * this machine only, because nothing tells what another one has.
 *
 * Private addresses are what is expected: these are machines that people own, and whoever may write here runs the platform. Only
 * link-local ones are refused: no inference server is found there, and in a cloud that is where a machine's own secrets are.
 */
export const serverOfEntry = (
  id: unknown,
  entry: ServerEntry,
  gpus: readonly LocalGpu[] = [],
): ServerSpec | { readonly problems: readonly EntryProblem[] } => {
  const problems: EntryProblem[] = [];
  const check = (good: boolean, field: string, value: unknown, accepted: string): void => {
    if (!good) problems.push({ field, value, accepted });
  };
  const { url, vram, slots = 1, device = 'gpu', labels = {}, pull_missing: pullMissing = false } = entry;
  const gpu = isLocal(url) ? gpuOf(vram, gpus) : undefined;
  const vramBytes = gpu?.memoryBytes ?? bytesOf(vram);
  check(isServerId(id), 'id', id, "lower-case letters, digits and -, not 'cpu'");
  check(isServerUrl(url), 'url', url, 'http://host:port, not a link-local address');
  const auto = gpus.length === 0 ? '' : ', or auto for a server on this machine';
  check(vramBytes !== null, 'vram', vram, `bytes with a unit, such as 24GiB or 800MiB${auto}`);
  check(isSlotCount(slots), 'slots', slots, `a whole number from 1 to ${SLOTS_MAX}`);
  check(device === 'gpu' || device === 'cpu', 'device', device, 'gpu or cpu');
  const labelsSay = `a map from text to text, at most ${LABELS_MAX} of up to ${LABEL_TEXT_MAX} characters`;
  check(isLabels(labels), 'labels', labels, labelsSay);
  check(typeof pullMissing === 'boolean', 'pull_missing', pullMissing, 'true or false');
  if (problems.length > 0 || vramBytes === null) return { problems };
  return {
    serverId: String(id),
    kind: 'ollama',
    url: String(url).replace(/\/+$/, ''),
    vramBytes,
    slots: Number(slots),
    device: device as 'gpu' | 'cpu',
    labels: labels as Readonly<Record<string, string>>,
    pullMissing: pullMissing === true,
    ...(gpu === undefined ? {} : { gpuName: gpu.name }),
  };
};

const gpuOf = (vram: unknown, gpus: readonly LocalGpu[]): LocalGpu | undefined => {
  if (vram === undefined || vram === 'auto') return gpus[0];
  const index = typeof vram === 'string' ? /^auto:(\d{1,3})$/.exec(vram)?.[1] : undefined;
  return index === undefined ? undefined : gpus.find((gpu) => gpu.index === Number(index));
};

const isLocal = (url: unknown): boolean => {
  if (typeof url !== 'string' || !URL.canParse(url)) return false;
  return /^(localhost|127\.[\d.]+|\[::1\])$/.test(new URL(url).hostname);
};

/** The pseudo-server of CPU slots has its name already. */
const isServerId = (id: unknown): boolean => typeof id === 'string' && isId(id) && id !== 'cpu';

const isServerUrl = (url: unknown): boolean => {
  if (typeof url !== 'string' || url.length > URL_MAX || !/^https?:\/\/[^\s/]+/.test(url)) return false;
  if (!URL.canParse(url)) return false;
  const { hostname, search, hash } = new URL(url);
  return search === '' && hash === '' && !/^(169\.254\.|\[fe[89ab][0-9a-f]:|\[::ffff:a9fe:)/.test(hostname);
};

const isSlotCount = (slots: unknown): boolean =>
  Number.isInteger(slots) && Number(slots) >= 1 && Number(slots) <= SLOTS_MAX;

const isLabels = (value: unknown): boolean =>
  typeof value === 'object' &&
  value !== null &&
  !Array.isArray(value) &&
  Object.keys(value).length <= LABELS_MAX &&
  Object.entries(value).every(
    ([name, label]) =>
      name.length <= LABEL_TEXT_MAX && typeof label === 'string' && label.length <= LABEL_TEXT_MAX,
  );

const UNITS: Readonly<Record<string, number>> = {
  B: 1,
  kB: 1e3,
  MB: 1e6,
  GB: 1e9,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
};

const bytesOf = (value: unknown): number | null => {
  const match = /^(\d{1,15}(?:\.\d{1,15})?)\s*(B|kB|MB|GB|KiB|MiB|GiB)$/.exec(String(value).trim());
  const unit = UNITS[match?.[2] ?? ''];
  if (!match || unit === undefined) return null;
  const bytes = Math.round(Number(match[1]) * unit);
  return Number.isSafeInteger(bytes) ? bytes : null;
};
