import { readFile } from 'node:fs/promises';
import { NO_NOTIFICATIONS, type NotificationSettings } from '#libs/notifications-file/channel-spec.js';
import {
  parseNotificationsFile,
  type NotificationsFile,
} from '#libs/notifications-file/notifications-file.js';
import type { Logger } from '#libs/runtime/logger.js';
import { watchFile } from '#libs/runtime/watch-file.js';

/** Channels and rules of the file, now and whenever it changes. A bad file changes nothing and is told in the health report. */
export class NotificationWatch {
  #settings: NotificationSettings = NO_NOTIFICATIONS;
  #problems: readonly string[] = [];
  readonly #listeners = new Set<() => void>();

  constructor(
    private readonly file: string | undefined,
    private readonly logger: Logger,
  ) {}

  get settings(): NotificationSettings {
    return this.#settings;
  }

  get problems(): readonly string[] {
    return this.#problems;
  }

  /** False until a file was read that is valid, or found to be missing: what the rules are is not known before. */
  isKnown = false;

  /** Answers with a function that ends it. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Resolves with a function that ends the watch, once the file has been read. */
  async start(): Promise<() => Promise<void>> {
    const { file } = this;
    if (file !== undefined) return await watchFile(file, async () => await this.#read(file));
    this.isKnown = true;
    return () => Promise.resolve();
  }

  async #read(file: string): Promise<void> {
    const read = await readSettings(file);
    if (read.ok) {
      this.#problems = [];
      this.#settings = read.settings;
      this.isKnown = true;
    } else {
      this.#problems = read.problems;
      this.logger.error(
        { problems: read.problems },
        'the notifications file is not valid; the last good one stays',
      );
    }
    for (const listener of this.#listeners) listener();
  }
}

/** No file: no notifications. */
const readSettings = async (file: string): Promise<NotificationsFile> => {
  try {
    return parseNotificationsFile(await readFile(file, 'utf8'), file);
  } catch (error) {
    const isMissing = (error as NodeJS.ErrnoException).code === 'ENOENT';
    return isMissing
      ? { ok: true, settings: NO_NOTIFICATIONS }
      : { ok: false, problems: [`${file}: cannot be read: ${String(error)}`] };
  }
};
