import { isMap, isSeq, LineCounter, parseDocument, type Node } from 'yaml';
import { ENTRY_FIELDS, serverOfEntry, type LocalGpu } from '#libs/contracts/server-entry.js';
import type { ServerSpec } from '#libs/domain/gpu/events.js';
import { SERVERS_MAX } from '#libs/domain/gpu/fleet.js';

/** Servers, or every problem of the file with its line. */
export type ServersFile =
  | { readonly ok: true; readonly servers: readonly ServerSpec[] }
  | { readonly ok: false; readonly problems: readonly string[] };

/**
 * ```yaml
 * servers:
 *   - id: ollama-1            # lower-case letters, digits, -
 *     url: http://127.0.0.1:11434
 *     vram: 24GiB             # memory that models may fill; auto, or none: that of this machine's GPU
 *     slots: 4                # OLLAMA_NUM_PARALLEL of that server; default 1
 *     device: gpu             # or cpu; default gpu
 *     labels: { room: attic }
 *     pull_missing: false     # download models that it lacks
 * ```
 */
export const parseServersFile = (
  source: string,
  file: string,
  gpus: readonly LocalGpu[] = [],
): ServersFile => {
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
    const read = readServer(value, at(item), gpus);
    if ('problems' in read) problems.push(...read.problems);
    else if (servers.some(({ serverId }) => serverId === read.serverId))
      problems.push(`${at(item)}: id '${read.serverId}' stands twice`);
    else servers.push(read);
  }
  return problems.length > 0 ? { ok: false, problems } : { ok: true, servers };
};

const FIELDS = ['id', ...ENTRY_FIELDS];

const readServer = (
  value: unknown,
  where: string,
  gpus: readonly LocalGpu[],
): ServerSpec | { readonly problems: readonly string[] } => {
  if (typeof value !== 'object' || value === null)
    return { problems: [`${where}: expected a server with ${FIELDS.join(', ')}`] };
  const { id, ...entry } = value as Readonly<Record<string, unknown>>;
  const unknown = Object.keys(entry)
    .filter((name) => !FIELDS.includes(name))
    .map((name) => `${where}: unknown field '${name}' — expected one of ${FIELDS.join(', ')}`);
  const read = serverOfEntry(id, entry, gpus);
  const wrong =
    'problems' in read
      ? read.problems.map(
          ({ field, value: given, accepted }) =>
            `${where}: ${field} ${JSON.stringify(given)} — expected ${accepted}`,
        )
      : [];
  return 'problems' in read || unknown.length > 0 ? { problems: [...unknown, ...wrong] } : read;
};
