import { createServer } from 'http';
import type { AddressInfo } from 'net';
import { DEFAULT_CATALOGUE, type SimModel } from './catalogue.js';
import { Exchange } from './exchange.js';
import type { Fault, FaultKind } from './faults.js';
import { handle } from './routes.js';
import { Sim, type SimState } from './sim.js';

/**
 * A server that speaks Ollama's HTTP API and behaves as a machine with one GPU does: models take memory and time to
 * load, requests share slots and speed, and what it says depends on the request alone. It is held to the same
 * conformance suites as a real Ollama (v0.24.0).
 *
 * Simplified: text is made up; slots are freed at once instead of at the next token; a completion of one model is
 * never delayed by the unload of another; models with the same weights under two names do not share a runner.
 */
export type OllamaSimulatorOptions = {
  /** Port on 127.0.0.1. Default 0: any free one. */
  readonly port?: number;
  /** What is installed. Default: the catalogue. */
  readonly models?: readonly SimModel[];
  /** Bytes of the GPU. Default 24 GiB, an RTX 3090 or 4090. */
  readonly vramBytes?: number;
  /** Slots per model, as OLLAMA_NUM_PARALLEL. Default 1. */
  readonly parallel?: number;
  /** Loaded models at most, as OLLAMA_MAX_LOADED_MODELS. Default 3, as for one GPU. */
  readonly modelsMax?: number;
  /** Requests that wait for a load at most, as OLLAMA_MAX_QUEUE. Default 512. */
  readonly queueMax?: number;
  /** Whether a request can save a model that is being evicted, as it can in the real server. Default `as-shipped`. */
  readonly evictions?: 'as-shipped' | 'fixed';
  /** Simulated seconds per real second: 1 is real time, 20 makes everything twenty times as fast. Default 1. */
  readonly timeScale?: number;
  /** Seed of the times that vary (load, unload). Default 1. */
  readonly seed?: number;
};

export type OllamaSimulator = {
  readonly url: string;
  readonly port: number;
  state(): SimState;
  setFault(fault: Fault): void;
  clearFaults(kind?: FaultKind): void;
  stop(): Promise<void>;
};

const GIB = 1024 ** 3;

export const startOllamaSimulator = async (
  options: OllamaSimulatorOptions = {},
): Promise<OllamaSimulator> => {
  const sim = new Sim({
    models: options.models ?? DEFAULT_CATALOGUE,
    vramBytes: options.vramBytes ?? 24 * GIB,
    parallel: options.parallel ?? 1,
    modelsMax: options.modelsMax ?? 3,
    queueMax: options.queueMax ?? 512,
    evictions: options.evictions ?? 'as-shipped',
    timeScale: options.timeScale ?? 1,
    seed: options.seed ?? 1,
  });
  const server = createServer((request, response) => void handle(sim, new Exchange(request, response)));
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port ?? 0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    state: () => sim.state(),
    setFault: (fault) => sim.faults.arm(fault),
    clearFaults: (kind) => sim.faults.clear(kind),
    stop: () =>
      new Promise((resolve) => {
        server.close(() => {
          sim.scheduler.stop();
          resolve();
        });
        server.closeAllConnections();
      }),
  };
};
