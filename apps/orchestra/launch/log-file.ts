import { closeSync, fstatSync, openSync, renameSync, writeSync } from 'node:fs';

export type LogLimits = {
  /** A file that would grow beyond this is set aside first. */
  readonly maxBytes: number;
  /** Files that are kept beside the current one: `<file>.1` is the newest of them. */
  readonly kept: number;
};

/** Some days of a busy service, and at most 40 MiB per service on the disk. */
const LIMITS: LogLimits = { maxBytes: 10 * 1024 * 1024, kept: 3 };

/**
 * A log file that cannot fill the disk. Writes are synchronous: what a service said last is what one wants to read after a crash,
 * and the launcher has nothing else to do. A disk that takes no more loses log lines, never the launcher.
 */
export class LogFile {
  #fd: number | null = null;
  #bytes = 0;
  #failing = false;

  constructor(
    private readonly file: string,
    private readonly failed: (reason: string) => void,
    private readonly limits: LogLimits = LIMITS,
  ) {}

  write(part: Uint8Array): void {
    try {
      if (this.#bytes > 0 && this.#bytes + part.length > this.limits.maxBytes) this.#setAside();
      this.#fd ??= this.#open();
      writeSync(this.#fd, part);
      this.#bytes += part.length;
      this.#failing = false;
    } catch (error) {
      if (!this.#failing) this.failed(`${this.file} cannot be written: ${String(error)}`);
      this.#failing = true;
    }
  }

  close(): void {
    if (this.#fd !== null) closeSync(this.#fd);
    this.#fd = null;
  }

  #open(): number {
    const fd = openSync(this.file, 'a', 0o600);
    this.#bytes = fstatSync(fd).size;
    return fd;
  }

  #setAside(): void {
    this.close();
    const { file } = this;
    for (let place = this.limits.kept - 1; place > 0; place -= 1) {
      renameIfThere(`${file}.${place}`, `${file}.${place + 1}`);
    }
    renameIfThere(file, `${file}.1`);
    this.#bytes = 0;
  }
}

const renameIfThere = (from: string, to: string): void => {
  try {
    renameSync(from, to);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
};
