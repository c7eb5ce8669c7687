import { RULES, type Promised, type RuleName } from './rules.js';

export type Finding = {
  readonly rule: RuleName;
  readonly promise: Promised;
  readonly stream: string;
  /** Place in the stream that shows it. */
  readonly seq: number;
  readonly taskId?: string;
  readonly message: string;
};

/** Findings of one rule that are kept; of a log that is broken throughout, more of them would tell nothing new. */
const KEPT_MAX = 100;

/** What was found so far. */
export class Findings {
  readonly #kept: Finding[] = [];
  readonly #counts = new Map<RuleName, number>();

  add(
    rule: RuleName,
    at: { readonly stream: string; readonly seq: number; readonly taskId?: string },
    message: string,
  ): void {
    const count = (this.#counts.get(rule) ?? 0) + 1;
    this.#counts.set(rule, count);
    if (count > KEPT_MAX) return;
    const { stream, seq, taskId } = at;
    const { promise } = RULES[rule];
    this.#kept.push({ rule, promise, stream, seq, ...(taskId === undefined ? {} : { taskId }), message });
  }

  get kept(): readonly Finding[] {
    return this.#kept;
  }

  get counts(): Readonly<Partial<Record<RuleName, number>>> {
    return Object.fromEntries(this.#counts);
  }

  get total(): number {
    let total = 0;
    for (const count of this.#counts.values()) total += count;
    return total;
  }
}
