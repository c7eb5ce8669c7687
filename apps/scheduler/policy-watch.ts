import { readFile } from 'node:fs/promises';
import { DEFAULT_POLICY, type PolicySettings } from '#libs/domain/policy/settings.js';
import { parsePolicyFile, type PolicyFile } from '#libs/policy-file/policy-file.js';
import type { Logger } from '#libs/runtime/logger.js';
import { watchFile } from '#libs/runtime/watch-file.js';

/** The settings of the file, now and whenever it changes. A bad file changes nothing and is told in the health report. */
export class PolicyWatch {
  #policy: PolicySettings = DEFAULT_POLICY;
  #problems: readonly string[] = [];

  constructor(
    private readonly file: string | undefined,
    private readonly onChange: (policy: PolicySettings) => void,
    private readonly logger: Logger,
  ) {}

  get policy(): PolicySettings {
    return this.#policy;
  }

  get problems(): readonly string[] {
    return this.#problems;
  }

  /** Resolves with a function that ends the watch, once the file has been read. */
  async start(): Promise<() => Promise<void>> {
    const { file } = this;
    if (file === undefined) return () => Promise.resolve();
    return await watchFile(file, async () => await this.#read(file));
  }

  async #read(file: string): Promise<void> {
    const read = await readPolicy(file);
    if (!read.ok) {
      this.#problems = read.problems;
      this.logger.error({ problems: read.problems }, 'the policy is not valid; the last good one stays');
      return;
    }
    this.#problems = [];
    this.#policy = read.policy;
    this.onChange(read.policy);
  }
}

/** No file is the default policy. */
const readPolicy = async (file: string): Promise<PolicyFile> => {
  try {
    return parsePolicyFile(await readFile(file, 'utf8'), file);
  } catch (error) {
    const isMissing = (error as NodeJS.ErrnoException).code === 'ENOENT';
    return isMissing
      ? { ok: true, policy: DEFAULT_POLICY }
      : { ok: false, problems: [`${file}: cannot be read: ${String(error)}`] };
  }
};
