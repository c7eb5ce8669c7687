import { parseGoDuration } from './go-time.js';

/** How long a model stays after its last request: simulated milliseconds, Infinity for ever, 0 for not at all. */
export type KeepAliveMs = number;

/** Default of OLLAMA_KEEP_ALIVE. */
export const KEEP_ALIVE_DEFAULT_MS = 300_000;

const TYPE_NAMES: Readonly<Record<string, string>> = { boolean: 'bool' };

/** Undefined when the request does not say; a sentence of the real server when it says it wrongly. */
export const parseKeepAlive = (value: unknown): KeepAliveMs | undefined | { readonly error: string } => {
  if (value === undefined || value === null) return undefined;
  if (typeof value === 'number') return value < 0 ? Infinity : value * 1_000;
  if (typeof value !== 'string') {
    const type = Array.isArray(value)
      ? '[]interface {}'
      : (TYPE_NAMES[typeof value] ?? 'map[string]interface {}');
    return { error: `Unsupported type: '${type}'` };
  }
  const ms = parseGoDuration(value);
  return typeof ms === 'number' && ms < 0 ? Infinity : ms;
};

/** The real server adds the largest duration that Go knows, 2^63 - 1 ns, which is 292 years. */
export const FOR_EVER_MS = 9_223_372_036_854;
