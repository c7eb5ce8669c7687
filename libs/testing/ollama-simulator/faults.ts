/**
 * What can be made to go wrong. A fault strikes requests for `model` (any, when absent); those that strike a request
 * are used up after `times` (default 1), those that describe a state hold until they are cleared.
 */
export type Fault = {
  readonly model?: string;
  readonly times?: number;
} &
  /** The stream ends without its last part: with a broken connection, or `clean`, as if it were complete. */
  (
    | { readonly kind: 'kill-stream'; readonly afterTokens?: number; readonly clean?: boolean }
    | { readonly kind: 'error-line'; readonly afterTokens?: number; readonly message?: string }
    | { readonly kind: 'hang'; readonly afterTokens?: number }
    /** The client's going is not noticed, as behind a proxy that keeps its own connection: the answer goes on to its end. */
    | { readonly kind: 'deaf' }
    | { readonly kind: 'busy' }
    /** Says this instead of what fits the format that was asked for, as models do where a grammar does not hold them. */
    | { readonly kind: 'wrong-answer'; readonly text: string }
    | { readonly kind: 'load-failure'; readonly message?: string }
    | { readonly kind: 'stuck-unload' }
    | { readonly kind: 'slow'; readonly factor: number }
    | { readonly kind: 'ps-lag'; readonly lagMs: number }
  );

export type FaultKind = Fault['kind'];
type FaultOf<K extends FaultKind> = Extract<Fault, { readonly kind: K }>;

const KINDS: readonly FaultKind[] = [
  'kill-stream',
  'error-line',
  'hang',
  'deaf',
  'busy',
  'wrong-answer',
  'load-failure',
  'stuck-unload',
  'slow',
  'ps-lag',
];

/** These hold until cleared, whatever `times` says. */
const STATES: ReadonlySet<FaultKind> = new Set(['stuck-unload', 'slow', 'ps-lag']);

export class Faults {
  #armed: { readonly fault: Fault; left: number }[] = [];
  #changed: (() => void)[] = [];

  arm(fault: Fault): void {
    const left = STATES.has(fault.kind) ? Infinity : (fault.times ?? 1);
    this.#armed.push({ fault, left });
    this.#notify();
  }

  clear(kind?: FaultKind): void {
    this.#armed = kind === undefined ? [] : this.#armed.filter(({ fault }) => fault.kind !== kind);
    this.#notify();
  }

  list(): readonly Fault[] {
    return this.#armed.map(({ fault }) => fault);
  }

  /** Uses up one strike. */
  strike<K extends FaultKind>(kind: K, model?: string): FaultOf<K> | undefined {
    const found = this.#armed.find(
      ({ fault }) => fault.kind === kind && (fault.model === undefined || fault.model === model),
    );
    if (!found) return undefined;
    found.left -= 1;
    if (found.left <= 0) this.#armed = this.#armed.filter((armed) => armed !== found);
    return found.fault as FaultOf<K>;
  }

  /** Resolves at the next change of what is armed. */
  changed(): Promise<void> {
    return new Promise((resolve) => void this.#changed.push(resolve));
  }

  #notify(): void {
    const waiting = this.#changed;
    this.#changed = [];
    for (const resolve of waiting) resolve();
  }
}

/** A fault from the control endpoint, or what is wrong with it. */
export const parseFault = (value: unknown): Fault | { readonly error: string } => {
  const accepted = `expected an object with a 'kind' of ${KINDS.join(', ')}`;
  if (typeof value !== 'object' || value === null || !('kind' in value)) {
    return { error: `fault ${JSON.stringify(value)} — ${accepted}` };
  }
  const fault = value as Fault;
  if (!KINDS.includes(fault.kind)) return { error: `kind '${String(fault.kind)}' — ${accepted}` };
  if (fault.kind === 'slow' && !(fault.factor > 0))
    return { error: `factor ${fault.factor} — expected a number above 0` };
  if (fault.kind === 'ps-lag' && !(fault.lagMs >= 0))
    return { error: `lagMs ${fault.lagMs} — expected 0 or more` };
  if (fault.kind === 'wrong-answer' && typeof fault.text !== 'string')
    return { error: `text ${JSON.stringify(fault.text)} — expected what the model says` };
  return fault;
};
