import type { OpenWorkspace } from './task-workspaces.js';
import type { Workspace } from './workspace.js';

/** The workspace of one attempt: most steps never ask for it. */
export class WorkspaceOnDemand {
  #opened: Promise<OpenWorkspace> | null = null;

  constructor(private readonly open: () => Promise<OpenWorkspace>) {}

  async get(): Promise<Workspace> {
    this.#opened ??= this.open();
    return await this.#opened;
  }

  /** Closes what was opened when the attempt is over, however it ended. */
  async during<T>(attempt: () => Promise<T>): Promise<T> {
    let done = false;
    try {
      const result = await attempt();
      done = true;
      return result;
    } finally {
      const opened = await this.#opened?.catch(() => null);
      await opened?.close(done);
    }
  }
}
