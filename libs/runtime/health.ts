import type { NatsConnection } from '@nats-io/transport-node';
import type { HealthReport } from '#libs/contracts/health.js';
import { RPC, type ServiceName } from '#libs/contracts/subjects.js';

/** What a part of the service says of itself: progress figures, and why it is not ready if it is not. */
export type HealthCheck = () => {
  readonly reasons: readonly string[];
  readonly progress: Readonly<Record<string, string | number | boolean>>;
};

/**
 * Health of one process. Ready means that work gets on: checks compare positions and ages, never only a socket.
 * Every service answers on `rpc.health.<service>`; the gateway shows the sum over HTTP.
 */
export class Health {
  readonly #checks = new Map<string, HealthCheck>();
  readonly #upSinceMs = Date.now();

  constructor(
    private readonly service: ServiceName,
    private readonly instance: string,
    private readonly version: string,
  ) {}

  add(name: string, check: HealthCheck): void {
    this.#checks.set(name, check);
  }

  report(): HealthReport {
    const reasons: string[] = [];
    let progress: Record<string, string | number | boolean> = {};
    for (const [name, check] of this.#checks) {
      const state = check();
      reasons.push(...state.reasons.map((reason) => `${name}: ${reason}`));
      progress = { ...progress, ...state.progress };
    }
    return {
      service: this.service,
      instance: this.instance,
      live: true,
      ready: reasons.length === 0,
      reasons,
      progress,
      version: this.version,
      upSinceMs: this.#upSinceMs,
    };
  }

  /** Answers health requests until the connection closes. */
  serve(connection: NatsConnection): void {
    connection.subscribe(RPC.health(this.service), {
      callback: (error, message) => {
        if (!error) message.respond(JSON.stringify(this.report()));
      },
    });
  }
}
