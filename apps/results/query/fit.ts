import { MESSAGE_MAX_BYTES } from '#libs/contracts/streams.js';
import type { TaskView } from '#libs/contracts/queries.js';

/** What a reply may hold: one message, less the room that the envelope around the value takes. */
export const REPLY_MAX_BYTES = MESSAGE_MAX_BYTES - 1024;

export const bytesOf = (value: unknown): number => Buffer.byteLength(JSON.stringify(value));

/**
 * Makes a view fit into one message. Outputs of steps are left out first, largest first, then the parameters, then the
 * result; in the place of each stands how large it was. All of it is in the log still, event by event.
 */
export const fitted = (view: TaskView, bytesMax: number): TaskView => {
  let excess = bytesOf(view) - bytesMax;
  if (excess <= 0) return view;
  const steps = [...view.steps];
  const bySize = steps
    .map((step, index) => ({ index, bytes: bytesOf(step.output) }))
    .toSorted((a, b) => b.bytes - a.bytes);
  for (const { index, bytes } of bySize) {
    const step = steps[index];
    if (excess <= 0 || !step) break;
    steps[index] = { ...step, output: omitted(bytes) };
    excess -= bytes - OMITTED_BYTES;
  }
  let shorter: TaskView = { ...view, steps };
  if (bytesOf(shorter) > bytesMax) shorter = { ...shorter, parameters: omitted(bytesOf(view.parameters)) };
  if (bytesOf(shorter) > bytesMax) shorter = { ...shorter, result: omitted(bytesOf(view.result)) };
  return shorter;
};

const omitted = (bytes: number): { readonly omitted_bytes: number } => ({ omitted_bytes: bytes });

/** `{"omitted_bytes":983040}` and some room. */
const OMITTED_BYTES = 32;
