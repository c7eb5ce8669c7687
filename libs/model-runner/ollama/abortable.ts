import { ModelRunnerError } from '../model-runner-error.js';
import type { AbortProof } from './abort-proof.js';
import type { OllamaExchange } from './ollama-exchange.js';

/**
 * Does `work` on an exchange until it is done or the signal is aborted, and closes the exchange either way. After an
 * abort nothing of `work` goes on: it is waited for before the rejection. `closeAndProve` closes the exchange and
 * says whether the server saw it.
 */
export const abortable = async <T>(
  exchange: OllamaExchange,
  signal: AbortSignal | undefined,
  work: () => Promise<T>,
  closeAndProve: () => Promise<AbortProof>,
): Promise<T> => {
  if (signal?.aborted) throw runAborted(exchange.what, { confirmed: true, confirmedBy: 'not-sent' });
  let stopListening = (): void => undefined;
  const aborted = new Promise<'aborted'>((resolve) => {
    const listener = (): void => resolve('aborted');
    signal?.addEventListener('abort', listener, { once: true });
    stopListening = () => signal?.removeEventListener('abort', listener);
  });
  const working = work().then((value) => ({ value }));
  try {
    const first = await Promise.race([working, aborted]);
    if (first !== 'aborted') return first.value;
    const proof = await closeAndProve();
    await working.catch(() => undefined);
    throw runAborted(exchange.what, proof);
  } finally {
    stopListening();
    working.catch(() => undefined);
    await exchange.close();
  }
};

/** For calls that occupy no slot: the closed connection is all there is to prove. */
export const closeOnly = async (exchange: OllamaExchange): Promise<AbortProof> => {
  await exchange.close();
  return { confirmed: true, confirmedBy: 'closed' };
};

const runAborted = (what: string, proof: AbortProof): ModelRunnerError => {
  const end = proof.confirmed ? 'the server let go of it' : 'the server did not show that it let go of it';
  return new ModelRunnerError('RUN_ABORTED', `${what}: aborted by the caller; ${end}`, { ...proof });
};
