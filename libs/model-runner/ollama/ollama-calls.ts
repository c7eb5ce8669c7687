import type { ResidentModel } from '../model-runner.js';
import { ModelRunnerError } from '../model-runner-error.js';
import { abortable, closeOnly } from './abortable.js';
import { readNdjson } from './ndjson.js';
import { type Call, OllamaExchange } from './ollama-exchange.js';
import type { OllamaSettings } from './ollama-options.js';
import { isWire, readResident, type Wire } from './ollama-wire.js';

/** The calls of the server that answer with one JSON object, and the reading of that object. */

/** A short question: version, tags, ps, show. */
export const ask = (
  settings: OllamaSettings,
  method: 'GET' | 'POST',
  path: string,
  body?: Wire,
  signal?: AbortSignal,
  timeoutMs: number = settings.callTimeoutMs,
): Promise<Wire> => {
  const exchange = new OllamaExchange(settings, {
    method,
    path,
    ...(body === undefined ? {} : { body }),
    firstByteTimeoutMs: timeoutMs,
    betweenBytesTimeoutMs: timeoutMs,
  });
  return abortable(
    exchange,
    signal,
    () => askAnswer(exchange, settings.maxJsonBytes),
    () => closeOnly(exchange),
  );
};

export const askResident = async (
  settings: OllamaSettings,
  signal?: AbortSignal,
  timeoutMs?: number,
): Promise<readonly ResidentModel[]> =>
  readResident('GET /api/ps', await ask(settings, 'GET', '/api/ps', undefined, signal, timeoutMs));

/** A small question that gets no answer in time means that the server cannot be reached, not that a run is stuck. */
const askAnswer = async (exchange: OllamaExchange, maxBytes: number): Promise<Wire> => {
  try {
    return await readObject(exchange, maxBytes);
  } catch (error) {
    if (!(error instanceof ModelRunnerError) || error.code !== 'NO_PROGRESS') throw error;
    throw new ModelRunnerError('SERVER_UNREACHABLE', error.message, error.details, { cause: error });
  }
};

export const readObject = async (exchange: OllamaExchange, maxBytes: number): Promise<Wire> => {
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of exchange.chunks()) {
    parts.push(chunk);
    bytes += chunk.length;
    if (bytes > maxBytes) {
      const message = `${exchange.what}: the answer has more than ${maxBytes} bytes`;
      throw new ModelRunnerError('OUTPUT_TOO_LARGE', message, { maxBytes });
    }
  }
  const text = Buffer.concat(parts).toString('utf8');
  try {
    const parsed: unknown = JSON.parse(text);
    if (isWire(parsed)) return parsed;
  } catch {
    // Reported below, together with JSON that is no object.
  }
  const shown = text.slice(0, 200);
  throw new ModelRunnerError('MODEL_ERROR', `${exchange.what}: answered '${shown}' — expected a JSON object`);
};

/** The objects of a streamed answer. */
export const readParts = (exchange: OllamaExchange, settings: OllamaSettings): AsyncGenerator<Wire, void> =>
  readNdjson(exchange.what, exchange.chunks(), settings.maxLineBytes);

/** A request that may take long before its first byte: a load, a run. */
export const longCall = (
  settings: OllamaSettings,
  path: string,
  body: Wire,
  onConnected?: () => void,
): OllamaExchange => {
  const call: Call = {
    method: 'POST',
    path,
    body,
    firstByteTimeoutMs: settings.firstTokenTimeoutMs,
    betweenBytesTimeoutMs: settings.watchdogNoProgressMs,
    ...(onConnected === undefined ? {} : { onConnected }),
  };
  return new OllamaExchange(settings, call);
};
