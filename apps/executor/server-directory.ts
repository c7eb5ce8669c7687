import type { ServerView } from '#libs/contracts/lease-rpc.js';
import type { ServerId } from '#libs/domain/ids.js';
import type { ModelRunner } from '#libs/model-runner/model-runner.js';
import { StepError } from './step-error.js';

/** Servers are asked for again when one is not known, but not more often than this. */
const ASK_AGAIN_MS = 1_000;

type Entry = { readonly url: string; readonly runner: ModelRunner };

/** Where each inference server is. The allocator knows; what it said last is kept until a server is not in it. */
export class ServerDirectory {
  #runners = new Map<ServerId, Entry>();
  #askedMs = Number.NEGATIVE_INFINITY;
  #asking: Promise<void> | null = null;

  constructor(
    private readonly list: () => Promise<readonly ServerView[]>,
    private readonly runnerFor: (url: string) => ModelRunner,
    private readonly nowMs: () => number,
  ) {}

  async runnerOf(serverId: ServerId): Promise<ModelRunner> {
    return (await this.#entryOf(serverId)).runner;
  }

  async urlOf(serverId: ServerId): Promise<string> {
    return (await this.#entryOf(serverId)).url;
  }

  async #entryOf(serverId: ServerId): Promise<Entry> {
    const stale = this.nowMs() - this.#askedMs >= ASK_AGAIN_MS;
    if (!this.#runners.has(serverId) || stale) await this.#refresh();
    const known = this.#runners.get(serverId);
    if (known) return known;
    throw new StepError('SERVER_UNREACHABLE', `The allocator does not list server '${serverId}'.`);
  }

  async #refresh(): Promise<void> {
    this.#asking ??= this.#ask().finally(() => (this.#asking = null));
    await this.#asking;
  }

  async #ask(): Promise<void> {
    try {
      const views = await this.list();
      this.#askedMs = this.nowMs();
      const next = new Map<ServerId, Entry>();
      for (const { serverId, url } of views) {
        if (url === undefined) continue;
        const known = this.#runners.get(serverId);
        next.set(serverId, known?.url === url ? known : { url, runner: this.runnerFor(url) });
      }
      this.#runners = next;
    } catch (error) {
      // What is known serves on; only a server that is not known cannot be used now.
      if (this.#runners.size === 0)
        throw new StepError('SERVER_UNREACHABLE', `No list of servers: ${String(error)}`);
    }
  }
}
