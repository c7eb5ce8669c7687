import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Fault, FaultKind } from '#libs/testing/ollama-simulator/faults.js';
import type { SimState } from '#libs/testing/ollama-simulator/sim.js';

const PROGRAM = 'dist/libs/testing/ollama-simulator/main.js';

export type SimulatedServerOptions = {
  readonly id: string;
  /** As in the list of servers, and what the simulated GPU has. */
  readonly vramBytes: number;
  /** Simulated seconds per real one. */
  readonly timeScale: number;
};

/** The simulator as a process of its own, so that it can be killed and halted as a server can. One slot per model. */
export class SimulatedServer {
  #child: ChildProcess | undefined;
  #port = 0;

  private constructor(private readonly options: SimulatedServerOptions) {}

  static async start(options: SimulatedServerOptions): Promise<SimulatedServer> {
    const server = new SimulatedServer(options);
    await server.restart();
    return server;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  /** Its line in the list of servers. */
  get entry(): string {
    const { id, vramBytes } = this.options;
    return `  - { id: ${id}, url: '${this.url}', vram: ${vramBytes}B, slots: 1, device: gpu }\n`;
  }

  /** On the port that it had. */
  async restart(): Promise<void> {
    const { vramBytes, timeScale } = this.options;
    const args = ['--port', this.#port, '--vram-bytes', vramBytes, '--time-scale', timeScale].map(String);
    const child = spawn(process.execPath, [PROGRAM, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
    this.#child = child;
    const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string];
    this.#port = Number(new URL((JSON.parse(line) as { url: string }).url).port);
  }

  /** SIGKILL. Resolves with the time of death. */
  async kill(): Promise<number> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return Date.now();
    const gone = once(child, 'exit');
    const diedMs = Date.now();
    child.kill('SIGKILL');
    await gone;
    return diedMs;
  }

  /** Its port takes connections from now on, and nobody answers. */
  freeze(): number {
    this.#child?.kill('SIGSTOP');
    return Date.now();
  }

  thaw(): void {
    this.#child?.kill('SIGCONT');
  }

  async state(): Promise<SimState> {
    return (await (await fetch(`${this.url}/_sim/state`)).json()) as SimState;
  }

  async arm(fault: Fault & { readonly kind: FaultKind }): Promise<void> {
    await fetch(`${this.url}/_sim/faults`, { method: 'POST', body: JSON.stringify(fault) });
  }

  async disarm(): Promise<void> {
    await fetch(`${this.url}/_sim/faults`, { method: 'DELETE' });
  }

  /** What somebody else asks of it, past the platform. Resolves when it is answered. */
  async ask(body: Readonly<Record<string, unknown>>): Promise<void> {
    const response = await fetch(`${this.url}/api/generate`, { method: 'POST', body: JSON.stringify(body) });
    await response.text();
  }
}
