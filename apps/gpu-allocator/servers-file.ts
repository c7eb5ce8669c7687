import { isMap, isSeq, LineCounter, parseDocument, type Node } from 'yaml';
import { isId } from '#libs/domain/ids.js';
import type { ServerSpec } from '#libs/domain/gpu/events.js';

/** Servers, or every problem of the file with its line. */
export type ServersFile =
  | { readonly ok: true; readonly servers: readonly ServerSpec[] }
  | { readonly ok: false; readonly problems: readonly string[] };

/** More servers than a site that one allocator serves will have; a file beyond it is a mistake. */
const SERVERS_MAX = 256;

/**
 * ```yaml
 * servers:
 *   - id: ollama-1            # lower-case letters, digits, -
 *     url: http://127.0.0.1:11434
 *     vram: 24GiB             # memory that models may fill
 *     slots: 4                # OLLAMA_NUM_PARALLEL of that server; default 1
 *     device: gpu             # or cpu; default gpu
 *     labels: { room: attic }
 *     pull_missing: false     # download models that it lacks
 * ```
 */
export const parseServersFile = (source: string, file: string): ServersFile => {
  const lines = new LineCounter();
  const document = parseDocument(source, { lineCounter: lines });
  const problems: string[] = [];
  const at = (node: unknown): string => {
    const offset = (node as Node | null)?.range?.[0] ?? 0;
    const { line, col } = lines.linePos(offset);
    return `${file}:${line}:${col}`;
  };
  for (const error of document.errors) problems.push(`${file}: ${error.message}`);
  const list = isMap(document.contents) ? document.contents.get('servers', true) : undefined;
  if (!isSeq(list)) return { ok: false, problems: [...problems, `${file}: expected a list under 'servers'`] };
  if (list.items.length > SERVERS_MAX)
    problems.push(`${file}: ${list.items.length} servers — expected at most ${SERVERS_MAX}`);
  const servers: ServerSpec[] = [];
  for (const item of list.items) {
    const value: unknown = isMap(item) ? item.toJSON() : undefined;
    const read = readServer(value, at(item));
    if ('problems' in read) problems.push(...read.problems);
    else if (servers.some(({ serverId }) => serverId === read.serverId))
      problems.push(`${at(item)}: id '${read.serverId}' stands twice`);
    else servers.push(read);
  }
  return problems.length > 0 ? { ok: false, problems } : { ok: true, servers };
};

const FIELDS = ['id', 'url', 'vram', 'slots', 'device', 'labels', 'pull_missing'] as const;

const readServer = (value: unknown, where: string): ServerSpec | { readonly problems: string[] } => {
  if (typeof value !== 'object' || value === null)
    return { problems: [`${where}: expected a server with ${FIELDS.join(', ')}`] };
  const entry = value as Readonly<Record<string, unknown>>;
  const problems: string[] = [];
  const check = (good: boolean, name: string, accepts: string): void => {
    if (!good) problems.push(`${where}: ${name} ${JSON.stringify(entry[name])} — expected ${accepts}`);
  };
  for (const name of Object.keys(entry)) {
    if (!(FIELDS as readonly string[]).includes(name))
      problems.push(`${where}: unknown field '${name}' — expected one of ${FIELDS.join(', ')}`);
  }
  const { id, url, slots = 1, device = 'gpu', labels = {}, pull_missing: pullMissing = false } = entry;
  const vramBytes = bytesOf(entry['vram']);
  check(
    typeof id === 'string' && isId(id) && id !== 'cpu',
    'id',
    "lower-case letters, digits and -, not 'cpu'",
  );
  check(typeof url === 'string' && /^https?:\/\/[^\s/]+/.test(url), 'url', 'http://host:port');
  check(vramBytes !== null, 'vram', 'bytes with a unit, such as 24GiB or 800MiB');
  check(
    Number.isInteger(slots) && Number(slots) >= 1 && Number(slots) <= 256,
    'slots',
    'a whole number from 1 to 256',
  );
  check(device === 'gpu' || device === 'cpu', 'device', 'gpu or cpu');
  check(isLabels(labels), 'labels', 'a map from text to text');
  check(typeof pullMissing === 'boolean', 'pull_missing', 'true or false');
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
  };
};

const isLabels = (value: unknown): boolean =>
  typeof value === 'object' &&
  value !== null &&
  Object.values(value).every((label) => typeof label === 'string');

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
  const match = /^(\d+(?:\.\d+)?)\s*(B|kB|MB|GB|KiB|MiB|GiB)$/.exec(String(value).trim());
  const unit = UNITS[match?.[2] ?? ''];
  return match && unit !== undefined ? Math.round(Number(match[1]) * unit) : null;
};
