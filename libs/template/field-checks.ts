import { durationMsOf, durationTextOf } from '#libs/domain/duration.js';
import { shown } from './describe-schema.js';
import { TEMPLATE_LIMITS } from './limits.js';
import { didYouMean } from './suggest.js';
import type { Path, YamlSource } from './yaml-source.js';

export type Mapping = Readonly<Record<string, unknown>>;

/** Small checks that say what is wrong at the place where it stands, and give the value only when it is right. */
export class FieldChecks {
  constructor(private readonly source: YamlSource) {}

  mapping(path: Path, value: unknown, what: string): Mapping | null {
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Mapping;
    // `name:value` is a text in YAML.
    const hint =
      typeof value === 'string' && /^[\w-]+:\S/.test(value) ? ", with a space behind each ':'" : '';
    this.source.problem(path, `${found(value)}; expected ${what}${hint}`);
    return null;
  }

  list(path: Path, value: unknown, what: string): readonly unknown[] | null {
    if (Array.isArray(value)) return value;
    this.source.problem(path, `${found(value)}; expected ${what}`);
    return null;
  }

  knownKeys(path: Path, value: Mapping, known: readonly string[]): void {
    for (const name of Object.keys(value)) {
      if (this.source.isFull) return;
      if (known.includes(name)) continue;
      this.source.problem(
        [...path, name],
        `there is no such field${didYouMean(name, known)}; accepted here: ${known.join(', ')}`,
        'key',
      );
    }
  }

  /** Text that is there and matches. */
  text(path: Path, value: unknown, pattern: RegExp, what: string): string | null {
    if (typeof value === 'string' && pattern.test(value)) return value;
    this.source.problem(path, `${found(value)}; expected ${what}`);
    return null;
  }

  /** A whole number in the range, or the fallback when there is none. */
  integer(path: Path, value: unknown, min: number, max: number, fallback: number): number {
    if (value === undefined) return fallback;
    if (typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max) return value;
    this.source.problem(
      path,
      `${shown(value)} is not accepted; expected a whole number from ${min} to ${max}`,
    );
    return fallback;
  }

  /** A duration in the range, as it was written; null when there is none. */
  duration(path: Path, value: unknown, minMs: number, maxMs: number): string | null {
    if (value === undefined) return null;
    if (typeof value === 'string') {
      const ms = durationMsOf(value);
      if (ms !== null && ms >= minMs && ms <= maxMs) return value;
    }
    const range = `from ${durationTextOf(minMs)} to ${durationTextOf(maxMs)}`;
    this.source.problem(
      path,
      `${shown(value)} is not accepted; expected a duration such as 90s, 5m or 2h, ${range}`,
    );
    return null;
  }

  /**
   * Says so when the value has no place in JSON, is nested too deeply, or is too much. An alias counts each time: a few
   * lines of them can stand for more than memory holds.
   */
  writable(path: Path, value: unknown): void {
    this.#count(path, value, { values: 0, characters: 0 });
  }

  #count(path: Path, value: unknown, seen: Seen): void {
    const { depth, values, compiledBytes } = TEMPLATE_LIMITS;
    if (seen.values > values || seen.characters > compiledBytes) return;
    seen.values += 1;
    if (typeof value === 'string') seen.characters += value.length;
    if (seen.values > values)
      this.source.problem(path, `there are too many values; accepted: up to ${values}`);
    if (seen.characters > compiledBytes)
      this.source.problem(path, `there is too much text; accepted: up to ${compiledBytes} characters`);
    if (typeof value === 'number' && !Number.isFinite(value))
      this.source.problem(path, `${value} is not accepted; expected a finite number`);
    if (typeof value !== 'object' || value === null) return;
    if (path.length > depth) {
      this.source.problem(path, `this is nested too deeply; accepted: up to ${depth} levels`);
      return;
    }
    for (const [name, item] of Object.entries(value)) {
      seen.characters += name.length;
      this.#count([...path, Array.isArray(value) ? Number(name) : name], item, seen);
    }
  }
}

const found = (value: unknown): string =>
  value === undefined ? 'is missing' : `${shown(value)} is not accepted`;

/** What was counted so far. */
type Seen = { values: number; characters: number };
