import { EXIT } from './exit-codes.js';

/** Ctrl-C, a supervisor, a terminal that was closed. */
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** One Ctrl-C can come twice, from the terminal and handed on by npm; a person takes longer to mean it. */
const SAME_WITHIN_MS = 300;

/** Resolves with the first signal. A second one ends this process at once, and what it started with it. */
export const stopSignal = (): Promise<NodeJS.Signals> =>
  new Promise((resolve) => {
    let askedMs = Number.NaN;
    for (const signal of SIGNALS) {
      process.on(signal, () => {
        if (performance.now() - askedMs > SAME_WITHIN_MS) process.exit(EXIT.interrupted);
        if (Number.isNaN(askedMs)) askedMs = performance.now();
        resolve(signal);
      });
    }
  });
