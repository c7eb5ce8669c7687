import type { Failure } from '../errors.js';
import type { StepId } from '../ids.js';
import type { Line } from '../policy/place.js';

/** One item of a step that runs once for each of a list: `index` from 0. */
export type ItemRef = { readonly of: StepId; readonly index: number };

/** What later steps see of it in its place: its output, or `{error: {code, message}}`. */
export type ItemEnd = { readonly output: unknown } | { readonly failure: Failure };

/**
 * A step while its items run. Those that are open are steps of the task, as many as may run at once; those that are over are only here.
 * What they gave stands in pages, so that another one costs the same however many there were.
 */
export type Items = {
  readonly status: 'each';
  readonly total: number;
  /** Items that were begun to be worked on, in their order: all below this number. */
  readonly opened: number;
  readonly completed: number;
  readonly failed: number;
  /** Size of what they gave, as JSON. */
  readonly bytes: number;
  /** Null once that is more than a state should hold. */
  readonly pages: readonly (readonly unknown[])[] | null;
  /** From when on they stand in the line of promises: what was promised a start before the number of items was known goes before them. */
  readonly line: Line;
};

/** What a step with items gives as its output. `items` is absent where `bytes` are more than `ITEMS_BYTES_MAX`. */
export type ItemsOutput = {
  readonly total: number;
  readonly completed: number;
  readonly failed: number;
  readonly bytes: number;
  readonly items?: readonly unknown[];
};

/** Most that the outputs of a step's items may have together to be read by later steps: a quarter of what one event holds. */
export const ITEMS_BYTES_MAX = 256 * 1024;

const PAGE = 128;

export const itemStepId = ({ of, index }: ItemRef): StepId => `${of}[${index}]`;

/** Null for a step that is no item. */
export const itemRefOf = (stepId: StepId): ItemRef | null => {
  const bracket = stepId.indexOf('[');
  return bracket < 0
    ? null
    : { of: stepId.slice(0, bracket), index: Number(stepId.slice(bracket + 1, stepId.length - 1)) };
};

export const noItemsYet = (total: number, line: Line): Items => ({
  status: 'each',
  total,
  opened: 0,
  completed: 0,
  failed: 0,
  bytes: 0,
  pages: [],
  line,
});

export const withItemEnd = (items: Items, index: number, end: ItemEnd): Items => {
  const value = 'output' in end ? end.output : errorOf(end.failure);
  const bytes = items.bytes + jsonBytes(value) + 1;
  const isFailed = 'failure' in end;
  return {
    ...items,
    completed: items.completed + (isFailed ? 0 : 1),
    failed: items.failed + (isFailed ? 1 : 0),
    bytes,
    pages: items.pages === null || bytes > ITEMS_BYTES_MAX ? null : withValue(items.pages, index, value),
  };
};

export const itemsLeft = ({ total, completed, failed }: Items): number => total - completed - failed;

export const itemsOutput = ({ total, completed, failed, bytes, pages }: Items): ItemsOutput => ({
  total,
  completed,
  failed,
  bytes,
  ...(pages === null ? {} : { items: pages.flat() }),
});

const errorOf = ({ code, message }: Failure) => ({ error: { code, message } });

const withValue = (pages: NonNullable<Items['pages']>, index: number, value: unknown): Items['pages'] => {
  const [place, within] = [Math.floor(index / PAGE), index % PAGE];
  const next: (readonly unknown[])[] = [...pages];
  while (next.length <= place) next.push([]);
  const page = [...(next[place] ?? [])];
  // A later item may be done first; every place is filled in the end.
  while (page.length < within) page.push(null);
  page[within] = value ?? null;
  next[place] = page;
  return next;
};

/** UTF-8 bytes of a value as JSON. */
const jsonBytes = (value: unknown): number => {
  const text = JSON.stringify(value ?? null);
  let bytes = text.length;
  for (let place = 0; place < text.length; place += 1) {
    const unit = text.charCodeAt(place);
    // A pair of surrogates has four bytes, two for each of its units.
    if (unit > 0x7f) bytes += unit > 0x7ff && (unit < 0xd800 || unit > 0xdfff) ? 2 : 1;
  }
  return bytes;
};
