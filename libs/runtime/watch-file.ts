import { watch } from 'chokidar';

/** An editor's save is several writes: it is over when nothing was written for so long. */
const SETTLED = { stabilityThreshold: 100, pollInterval: 50 } as const;

/**
 * Calls `read` now, and whenever the file changes, comes or goes: one call at a time, so that the last one has seen the last change. The
 * watch begins before the first call, so that no change falls between them. `read` handles its own errors. Resolves after the first call
 * with a function that ends the watch, once a call under way has ended.
 */
export const watchFile = async (file: string, read: () => Promise<void>): Promise<() => Promise<void>> => {
  const watcher = watch(file, { ignoreInitial: true, awaitWriteFinish: SETTLED });
  await new Promise<void>((resolve, reject) => watcher.once('ready', resolve).once('error', reject));
  let calls = read();
  let isNextDue = false;
  const again = (): void => {
    if (isNextDue) return;
    isNextDue = true;
    calls = calls.then(async () => {
      isNextDue = false;
      await read();
    });
  };
  watcher.on('all', again);
  // What cannot be watched for a moment may have changed meanwhile.
  watcher.on('error', again);
  await calls;
  return async () => {
    await watcher.close();
    await calls;
  };
};
