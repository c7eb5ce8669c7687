import {
  ITEM_STATUSES,
  TASK_STATUSES,
  type ItemView,
  type PageRequest,
  type QueryRequest,
  type TaskFilter,
} from '#libs/contracts/queries.js';
import { isId } from '#libs/domain/ids.js';
import { QueryFailure } from './query-failure.js';

/** Tasks on one page; a reply is one message, so more would be cut anyway. */
const PAGE_SIZE_MAX = 200;
/** Labels in one filter; each costs a look into an index. */
const LABELS_MAX = 20;
const TEXT_CHARS_MAX = 1_000;

/** A request as it came off the wire, checked again here: whoever may ask on the broker is not only the gateway. */
export const parseQuery = (data: unknown): QueryRequest => {
  const request = record(data, 'request');
  const common = { ...optional('atLeastSeq', request['atLeastSeq'], sequence) };
  switch (request['kind']) {
    case 'task':
    case 'leases':
    case 'artifacts':
      return { ...common, kind: request['kind'], taskId: id(request['taskId'], 'taskId') };
    case 'tasks':
      return { ...common, kind: 'tasks', filter: filterOf(request['filter']), page: pageOf(request['page']) };
    case 'workflow':
      return { ...common, kind: 'workflow', workflowId: id(request['workflowId'], 'workflowId') };
    case 'workflows': {
      const { workspace } = filterOf(request['filter']);
      const filter = workspace === undefined ? {} : { workspace };
      return { ...common, kind: 'workflows', filter, page: pageOf(request['page']) };
    }
    case 'items': {
      const { before: _, ...page } = pageOf(request['page']);
      const named = { taskId: id(request['taskId'], 'taskId'), stepId: text(request['stepId'], 'stepId') };
      const status = optional('status', request['status'], itemStatus);
      return { ...common, kind: 'items', ...named, ...status, page };
    }
    case 'artifact': {
      const taskId = id(request['taskId'], 'taskId');
      return { ...common, kind: 'artifact', taskId, name: text(request['name'], 'name') };
    }
    case 'status-counts':
      return { ...common, kind: 'status-counts', filter: filterOf(request['filter']) };
    default:
      return refuse(
        'kind',
        request['kind'],
        'one of task, tasks, workflow, workflows, status-counts, leases, items, artifacts, artifact',
      );
  }
};

const filterOf = (data: unknown): TaskFilter => {
  const filter = record(data ?? {}, 'filter');
  return {
    ...optional('workspace', filter['workspace'], text),
    ...optional('template', filter['template'], text),
    ...optional('workflowId', filter['workflowId'], id),
    ...optional('parent', filter['parent'], id),
    ...optional('statuses', filter['statuses'], statuses),
    ...optional('labels', filter['labels'], labels),
    ...optional('createdFrom', filter['createdFrom'], time),
    ...optional('createdTo', filter['createdTo'], time),
  };
};

const pageOf = (data: unknown): PageRequest => {
  const page = record(data, 'page');
  const size = page['size'];
  if (!Number.isSafeInteger(size) || Number(size) < 1 || Number(size) > PAGE_SIZE_MAX) {
    return refuse('page.size', size, `a whole number from 1 to ${PAGE_SIZE_MAX}`);
  }
  if (page['after'] !== undefined && page['before'] !== undefined) {
    return refuse('page', 'after and before', 'after or before, not both');
  }
  return {
    size: Number(size),
    ...optional('after', page['after'], text),
    ...optional('before', page['before'], text),
  };
};

const refuse = (name: string, value: unknown, accepted: string): never => {
  const shown = JSON.stringify(value) ?? 'nothing';
  throw new QueryFailure(
    'VALIDATION_FAILED',
    `${name}: ${shown.length > 200 ? `${shown.slice(0, 200)}…` : shown} — expected ${accepted}`,
    { parameter: name },
  );
};

/** `{ name: value }`, or nothing where nothing was given. */
const optional = <N extends string, T>(
  name: N,
  value: unknown,
  parse: (value: unknown, name: string) => T,
): { readonly [K in N]?: T } => {
  if (value === undefined || value === null) return {};
  return { [name]: parse(value, name) } as { readonly [K in N]?: T };
};

const record = (value: unknown, name: string): Readonly<Record<string, unknown>> => {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return refuse(name, value, 'an object');
  return value as Readonly<Record<string, unknown>>;
};

const text = (value: unknown, name: string): string => {
  if (typeof value !== 'string' || value.length > TEXT_CHARS_MAX) {
    return refuse(name, value, `text of up to ${TEXT_CHARS_MAX} characters`);
  }
  return value;
};

const id = (value: unknown, name: string): string => {
  if (typeof value === 'string' && isId(value)) return value;
  return refuse(name, value, '1 to 64 lower-case letters, digits and -');
};

const sequence = (value: unknown, name: string): number => {
  if (Number.isSafeInteger(value) && Number(value) >= 0) return Number(value);
  return refuse(name, value, 'a sequence of the log, 0 or more');
};

const statuses = (value: unknown, name: string): TaskFilter['statuses'] & {} => {
  const given: readonly unknown[] = Array.isArray(value) ? value : [];
  const known = TASK_STATUSES.filter((status) => given.includes(status));
  if (given.length > 0 && given.every((one) => TASK_STATUSES.some((status) => status === one))) return known;
  return refuse(name, value, `a list of ${TASK_STATUSES.join(', ')}`);
};

const itemStatus = (value: unknown, name: string): ItemView['status'] =>
  ITEM_STATUSES.find((status) => status === value) ??
  refuse(name, value, `one of ${ITEM_STATUSES.join(', ')}`);

const labels = (value: unknown, name: string): Readonly<Record<string, string>> => {
  const entries = Object.entries(record(value, name));
  if (entries.length > LABELS_MAX) return refuse(name, entries.length, `up to ${LABELS_MAX} labels`);
  return Object.fromEntries(entries.map(([key, label]) => [text(key, name), text(label, `${name}.${key}`)]));
};

const RFC_3339 = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,9})?(Z|[+-]\d{2}:\d{2})$/i;

/** In the form in which times are stored, so that they compare as text. */
const time = (value: unknown, name: string): string => {
  const ms = typeof value === 'string' && RFC_3339.test(value) ? Date.parse(value) : Number.NaN;
  if (Number.isNaN(ms)) return refuse(name, value, 'a time of RFC 3339, such as 2026-09-01T12:00:00Z');
  return new Date(ms).toISOString();
};
