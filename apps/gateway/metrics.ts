import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import { SERVICES } from '#libs/contracts/subjects.js';
import type { PlatformClient } from './platform-client.js';

/** From an idle answer (about 1 ms) to the time-out of a query (5 s). */
const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];

/** Figures of this process, and the progress that the other services report. */
export class Metrics {
  readonly #registry = new Registry();
  readonly #requests = new Counter({
    name: 'orchestra_http_requests_total',
    help: 'Answered requests',
    labelNames: ['method', 'route', 'status'],
    registers: [this.#registry],
  });
  readonly #seconds = new Histogram({
    name: 'orchestra_http_request_seconds',
    help: 'Time to answer, event streams left out',
    labelNames: ['method', 'route'],
    buckets: SECONDS,
    registers: [this.#registry],
  });
  readonly #ready = new Gauge({
    name: 'orchestra_service_ready',
    help: '1 when the service is there and gets on',
    labelNames: ['service'],
    registers: [this.#registry],
  });
  readonly #progress = new Gauge({
    name: 'orchestra_service_progress',
    help: 'Figures that a service reports of itself',
    labelNames: ['service', 'figure'],
    registers: [this.#registry],
  });

  readonly #submissions = new Counter({
    name: 'orchestra_submissions_total',
    help: 'Submissions by what became of them: queued, repeated, stored (decided later)',
    labelNames: ['template', 'outcome'],
    registers: [this.#registry],
  });
  readonly #now = new Gauge({
    name: 'orchestra_gateway_now',
    help: 'Event streams that are open, and commands whose clients wait for a decision',
    labelNames: ['what'],
    registers: [this.#registry],
  });

  constructor(
    private readonly platform: PlatformClient,
    private readonly now: () => Readonly<Record<string, number>>,
  ) {
    collectDefaultMetrics({ register: this.#registry, prefix: 'orchestra_gateway_' });
  }

  /** `route` is the pattern, never the path: ids would make a series of each task. */
  answered(method: string, route: string, status: number, seconds: number): void {
    this.#requests.inc({ method, route, status });
    if (!route.endsWith('/stream')) this.#seconds.observe({ method, route }, seconds);
  }

  submitted(template: string, outcome: 'queued' | 'repeated' | 'stored'): void {
    this.#submissions.inc({ template, outcome });
  }

  async text(): Promise<string> {
    for (const [what, value] of Object.entries(this.now())) this.#now.set({ what }, value);
    const { services } = await this.platform.health();
    for (const service of SERVICES) {
      const report = services[service];
      this.#ready.set({ service }, report.ready ? 1 : 0);
      if (!('progress' in report)) continue;
      for (const [figure, value] of Object.entries(report.progress)) {
        if (typeof value !== 'string') this.#progress.set({ service, figure }, Number(value));
      }
    }
    return await this.#registry.metrics();
  }
}
