import { SUBJECTS, subjectToken } from '#libs/contracts/subjects.js';
import type { TemplateRegistered } from '#libs/domain/task/scheduler-events.js';
import { START, type EventLog } from '#libs/event-log/event-log.js';
import { typedEvent } from '#libs/event-log/typed-event.js';
import type { CompiledTemplate } from '#libs/template/compiled-template.js';

/** A version of a template that the log has. */
export type TemplateVersion = {
  readonly name: string;
  /** Hash of its content. */
  readonly version: string;
  /** Counts the versions of one name in the order in which they became known, from 1; it never changes. */
  readonly number: number;
  readonly registeredAt: string;
  /** Of the event that has its definition. */
  readonly seq: number;
};

/** The newest versions of a name that can be found; older ones stay in the log for the tasks that they belong to. */
const KEPT_PER_NAME = 1_000;

/** Definitions kept in memory; each has up to 600 KiB. */
const DEFINITIONS_MAX = 32;

/** Events fetched ahead: each has a definition. */
const AHEAD_MAX = 16;

const REGISTERED = [SUBJECTS.scheduler(subjectToken('template.registered'))];

/**
 * The versions of templates, by the log itself: each that was ever known stands there with its definition, whatever became of its file.
 * Read on only where something is asked for that is not known yet, because what is known never changes.
 */
export class TemplateVersions {
  #byName = new Map<string, TemplateVersion[]>();
  #counts = new Map<string, number>();
  #seq = 0;
  readonly #definitions = new Map<string, CompiledTemplate>();
  #running: Promise<void> = Promise.resolve();
  #next: Promise<void> | null = null;

  constructor(private readonly tasks: EventLog) {}

  /** Oldest first; empty for a name that the log does not know. */
  async list(name: string): Promise<readonly TemplateVersion[]> {
    await this.#readOn();
    return this.#byName.get(name) ?? [];
  }

  /** By number or hash. */
  async find(name: string, selector: string): Promise<TemplateVersion | null> {
    const found = this.#known(name, selector);
    if (found) return found;
    await this.#readOn();
    return this.#known(name, selector);
  }

  async definition({ name, version, seq }: TemplateVersion): Promise<CompiledTemplate> {
    const key = `${name}@${version}`;
    const kept = this.#definitions.get(key);
    if (kept) return kept;
    for await (const event of this.tasks.replay(
      { seq: seq - 1, hash: '' },
      { filterSubjects: REGISTERED, bufferMax: 1 },
    )) {
      const template = typedEvent<TemplateRegistered>(event).definition as unknown as CompiledTemplate;
      const [oldest] = this.#definitions.keys();
      if (oldest !== undefined && this.#definitions.size >= DEFINITIONS_MAX) this.#definitions.delete(oldest);
      this.#definitions.set(key, template);
      return template;
    }
    throw new Error(`${this.tasks.name}: event ${seq} with the definition of ${key} is not there`);
  }

  #known(name: string, selector: string): TemplateVersion | null {
    const versions = this.#byName.get(name) ?? [];
    return (
      versions.find(({ number, version }) => version === selector || String(number) === selector) ?? null
    );
  }

  /** Up to the end of the log as it is now. Whoever asks meanwhile waits for one more reading, all of them for the same. */
  #readOn(): Promise<void> {
    this.#next ??= this.#running.then(async () => {
      this.#next = null;
      await this.#read();
    });
    this.#running = this.#next.catch(() => undefined);
    return this.#next;
  }

  async #read(): Promise<void> {
    const { lastSeq } = await this.tasks.tail();
    // Another log than the one that was read.
    if (lastSeq < this.#seq) this.#forget();
    if (lastSeq === this.#seq) return;
    const from = this.#seq === 0 ? START : { seq: this.#seq, hash: '' };
    const options = { filterSubjects: REGISTERED, bufferMax: AHEAD_MAX };
    for await (const event of this.tasks.replay(from, options)) {
      const { template, at } = typedEvent<TemplateRegistered>(event);
      this.#add({ ...template, registeredAt: at, seq: event.seq });
      this.#seq = event.seq;
    }
    this.#seq = Math.max(this.#seq, lastSeq);
  }

  /** One that comes back keeps its number. */
  #add(found: Omit<TemplateVersion, 'number'>): void {
    const { name, version } = found;
    const versions = this.#byName.get(name) ?? [];
    if (versions.some((known) => known.version === version)) return;
    const number = (this.#counts.get(name) ?? 0) + 1;
    this.#counts.set(name, number);
    versions.push({ ...found, number });
    if (versions.length > KEPT_PER_NAME) versions.shift();
    this.#byName.set(name, versions);
  }

  #forget(): void {
    this.#byName = new Map();
    this.#counts = new Map();
    this.#definitions.clear();
    this.#seq = 0;
  }
}
