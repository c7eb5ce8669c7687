import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { collect, fact } from './event-log.conformance.js';
import { START, WriterDeposedError, type EventLog, type LogWriter, type StoredEvent } from './event-log.js';
import { standForElection, type Candidacy } from './leadership.js';
import { openingEvent } from './opening-event.js';

/** What the suite needs: one log and one office, as several processes see them. */
export type LeadershipHarness = {
  readonly start: () => Promise<void>;
  readonly stop: () => Promise<void>;
  readonly fresh: () => Promise<OfficeUnderTest>;
};

export type OfficeUnderTest = {
  readonly node: (name: string) => Promise<{ readonly log: EventLog; readonly candidacy: Candidacy }>;
  /** The holder's way to the office is cut for good, its way to the log is not. */
  readonly silence: (name: string) => Promise<void>;
  /** The holder is told that it lost the office. */
  readonly depose: (name: string) => Promise<void>;
  readonly close: () => Promise<void>;
};

/** Longest wait for a takeover: some times to live, on a busy machine. */
const LIMIT_MS = 20_000;

/** A candidate that notes what it folds and hands its writers out. */
class Node {
  readonly folded: number[] = [];
  readonly terms: { writer: LogWriter; opening: StoredEvent; signal: AbortSignal }[] = [];
  readonly reasons: Error[] = [];
  readonly #stop = new AbortController();
  /** Does not end its term when it is asked to, only when its writer is over. */
  stubborn = false;
  #life: Promise<void> = Promise.resolve();
  #onTerm: () => void = () => undefined;

  stand(name: string, log: EventLog, candidacy: Candidacy): void {
    this.#life = standForElection({
      log,
      candidacy,
      reset: () => (this.folded.length = 0),
      fold: ({ seq }) => void this.folded.push(seq),
      opening: (at) =>
        openingEvent(at, { id: fact().id, node: name, time: fact().time }, (type) => `evt.task.sys.${type}`),
      term: async (writer, opening, signal) => {
        this.terms.push({ writer, opening, signal });
        this.#onTerm();
        const ended = new Promise<Error>((resolve) => {
          signal.addEventListener('abort', () => resolve(new Error('asked to end')), { once: true });
          if (signal.aborted) resolve(new Error('asked to end'));
        });
        return await (this.stubborn ? writer.over : Promise.race([writer.over, ended]));
      },
      onTermOver: (reason) => this.reasons.push(reason),
      signal: this.#stop.signal,
    });
    this.#life.catch(() => undefined);
  }

  /** Resolves when it has begun its n-th term. */
  async leads(terms = 1): Promise<LogWriter> {
    const limit = AbortSignal.timeout(LIMIT_MS);
    while (this.terms.length < terms) {
      await new Promise<void>((resolve, reject) => {
        this.#onTerm = resolve;
        limit.addEventListener('abort', () => reject(new Error(`did not lead within ${LIMIT_MS} ms`)), {
          once: true,
        });
        void this.#life.then(() => reject(new Error('was stopped before it led')), reject);
      });
    }
    const term = this.terms[terms - 1];
    if (term === undefined) throw new Error('no term');
    return term.writer;
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    if (this.stubborn) await Promise.all(this.terms.map(({ writer }) => writer.close()));
    await (this.stubborn ? this.#life.catch(() => undefined) : this.#life);
  }
}

export const describeLeadership = (name: string, harness: LeadershipHarness): void => {
  describe(`leadership: ${name}`, () => {
    let office: OfficeUnderTest;
    let nodes: Node[] = [];

    beforeAll(harness.start);
    afterAll(harness.stop);
    beforeEach(async () => {
      office = await harness.fresh();
      nodes = [];
    });
    afterEach(async () => {
      await Promise.all(nodes.map((node) => node.stop()));
      await office.close();
    });

    const stand = async (nodeName: string): Promise<Node> => {
      const { log, candidacy } = await office.node(nodeName);
      const node = new Node();
      nodes.push(node);
      node.stand(nodeName, log, candidacy);
      return node;
    };

    it('lets one of two lead, and begins a new log with its name', async () => {
      const [first, second] = [await stand('a'), await stand('b')];
      const leader = await Promise.race([first.leads().then(() => first), second.leads().then(() => second)]);
      const other = leader === first ? second : first;
      expect(leader.terms[0]?.opening).toMatchObject({ type: 'log.started', seq: 1, epoch: 1 });
      expect(other.terms).toHaveLength(0);
      await other.stop();
      await leader.stop();
    });

    it('hands over at once when the leader lets go, and the next has folded everything', async () => {
      const first = await stand('a');
      const writer = await first.leads();
      await writer.append([fact(), fact()]).acknowledged();
      const second = await stand('b');
      await first.stop();
      const next = await second.leads();
      expect(second.folded).toEqual([1, 2, 3]);
      expect(second.terms[0]?.opening).toMatchObject({ type: 'leader.elected', seq: 4 });
      expect(next.epoch).toBe(4);
    });

    it('takes over from a silent leader, whose full pipeline is refused to the last event', async () => {
      const first = await stand('a');
      first.stubborn = true;
      const old = await first.leads();
      await old.append([fact()]).acknowledged();
      const second = await stand('b');
      await office.silence('a');
      const next = await second.leads();
      const zombie = old.append(Array.from({ length: 50 }, () => fact()));
      await expect(zombie.acknowledged()).rejects.toThrow(/another writer/);
      expect(await old.over).toBeInstanceOf(WriterDeposedError);
      await next.append([fact()]).acknowledged();
      const { log } = await office.node('c');
      const stored = await collect(log.replay(START));
      expect(stored.map(({ epoch }) => epoch)).toEqual([1, 1, 3, 3]);
    });

    it('ends the term of a leader that learns that it was deposed, and lets it stand again', async () => {
      const first = await stand('a');
      await first.leads();
      await office.depose('a');
      const again = await first.leads(2);
      expect(first.terms[0]?.signal.aborted).toBe(true);
      expect(first.folded).toEqual([1]);
      expect(again.epoch).toBe(2);
    });

    it('ends the term when another writes, even while the office is still held', async () => {
      const first = await stand('a');
      const old = await first.leads();
      const { log } = await office.node('c');
      const rival = await log.openWriter(old.position, fact());
      await expect(old.append([fact()]).acknowledged()).rejects.toThrow(WriterDeposedError);
      const again = await first.leads(2);
      expect(first.reasons[0]).toBeInstanceOf(WriterDeposedError);
      await expect(rival.append([fact()]).acknowledged()).rejects.toThrow(WriterDeposedError);
      await again.append([fact()]).acknowledged();
    });
  });
};
