/** `npm run sim:soak -- 100000`: random sites as in the tests, many more of them, on all cores. Ends with 1 when one breaks a promise. */
import { availableParallelism } from 'node:os';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { judgedHistory } from '#libs/testing/judged-history.js';

const HISTORIES = Number(process.argv[2] ?? 100_000);
/** Histories that a worker plays before it says so. */
const PORTION = 500;

type Portion = { readonly played: number; readonly events: number; readonly broken: readonly string[] };

const play = (from: number, step: number): void => {
  for (let seed = from; seed <= HISTORIES;) {
    const portion = { played: 0, events: 0, broken: [] as string[] };
    for (; portion.played < PORTION && seed <= HISTORIES; seed += step) {
      const { problems, events } = judgedHistory(seed);
      portion.played += 1;
      portion.events += events;
      for (const problem of problems) portion.broken.push(`seed ${seed}: ${problem}`);
    }
    parentPort?.postMessage(portion satisfies Portion);
  }
};

const watch = async (): Promise<void> => {
  const startedMs = performance.now();
  const workers = availableParallelism();
  let [played, events, broken] = [0, 0, 0];
  const one = (from: number): Promise<void> =>
    new Promise((resolve, reject) => {
      const worker = new Worker(new URL(import.meta.url), {
        workerData: { from, step: workers },
        argv: [String(HISTORIES)],
      });
      worker.on('message', (portion: Portion) => {
        played += portion.played;
        events += portion.events;
        broken += portion.broken.length;
        for (const line of portion.broken) process.stdout.write(`${line}\n`);
        if (played % 5_000 < PORTION) process.stderr.write(`${played} of ${HISTORIES} histories\n`);
      });
      worker.on('error', reject);
      worker.on('exit', () => resolve());
    });
  await Promise.all(Array.from({ length: workers }, (_, n) => one(n + 1)));
  const seconds = Math.round((performance.now() - startedMs) / 1_000);
  process.stdout.write(`${played} histories, ${events} events, ${broken} broken promises, ${seconds} s\n`);
  process.exitCode = broken > 0 ? 1 : 0;
};

if (isMainThread) await watch();
else {
  const { from, step } = workerData as { readonly from: number; readonly step: number };
  play(from, step);
}
