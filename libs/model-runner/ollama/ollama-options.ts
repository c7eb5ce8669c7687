/** How to reach one Ollama server and how long to wait for it. Every wait has a bound here; none bounds a whole answer. */
export type OllamaOptions = {
  /** Where the server listens, `http://host:port`, without a path behind it unless a proxy adds one. */
  readonly baseUrl: string;
  /**
   * Milliseconds for the TCP (and TLS) connection. Default 5,000: three SYN tries of the kernel (1 s + 2 s) and room;
   * more only helps a server that drops packets. Costs nothing on a server that is up.
   */
  readonly connectTimeoutMs?: number;
  /**
   * Milliseconds for the small calls (version, tags, ps, show). Default 10,000: `ps` waits behind the server's own
   * locks while it unloads, which takes up to 5 s on a discrete GPU; twice that.
   */
  readonly callTimeoutMs?: number;
  /**
   * Milliseconds from the request to the first byte of an answer: the wait for a slot, a load and the evaluation of
   * the prompt, none of which shows any progress. Default 600,000: the server gives up on a stalled load after 300 s,
   * and 32k tokens at 110 tokens/s on a CPU take about as long. Raise it for long prompts on slow machines.
   */
  readonly firstTokenTimeoutMs?: number;
  /**
   * Milliseconds between two pieces of an answer before the server counts as stuck (`NO_PROGRESS`). Default 120,000:
   * a model ten times too large for its memory still makes a token in some seconds, but a tool call is held back
   * until it is whole, about 100 tokens. Lower it where all models fit in VRAM.
   */
  readonly watchdogNoProgressMs?: number;
  /**
   * Milliseconds until an unloaded model is no longer listed, before `UNLOAD_STUCK`. Default 30,000: the server waits
   * at most 5 s for the driver to give memory back, and three such waits can stand in line; twice that.
   */
  readonly unloadTimeoutMs?: number;
  /**
   * Milliseconds until a model that was loaded is listed. Default 10,000, as for a call: the answer to the load comes
   * after the server's own bookkeeping, so more than one look is only needed when `ps` lags.
   */
  readonly listedTimeoutMs?: number;
  /**
   * Milliseconds to see the server let go of an aborted run. Default 2,000: the server notices a closed connection at
   * once and ends the run at its next token; after this the abort is reported as not confirmed.
   */
  readonly abortConfirmTimeoutMs?: number;
  /** Milliseconds between two looks at `ps`. Default 50: a look costs the server about 0.1 ms (measured, v0.24.0). */
  readonly pollIntervalMs?: number;
  /**
   * Bytes of the text of one answer. Default 16 MiB: far beyond any context window (1 M tokens are about 4 MiB), and
   * small enough that 64 runs at once do not exhaust a process.
   */
  readonly maxOutputBytes?: number;
  /** Bytes of one line of a stream. Default 16 MiB: the last line repeats the context, about 7 bytes per token. */
  readonly maxLineBytes?: number;
  /** Bytes of a JSON answer that is not streamed. Default 64 MiB: 1,000 vectors of 4,096 numbers of 13 characters. */
  readonly maxJsonBytes?: number;
};

export type OllamaSettings = Required<OllamaOptions>;

const MIB = 1024 * 1024;

/** Fills in the defaults and refuses an address that is not one. */
export const ollamaSettings = (options: OllamaOptions): OllamaSettings => {
  let url: URL;
  try {
    url = new URL(options.baseUrl);
  } catch {
    throw new RangeError(`baseUrl '${options.baseUrl}' — expected http://host:port`);
  }
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    throw new RangeError(
      `baseUrl '${options.baseUrl}' — expected a URL that starts with http:// or https://`,
    );
  }
  return {
    connectTimeoutMs: 5_000,
    callTimeoutMs: 10_000,
    firstTokenTimeoutMs: 600_000,
    watchdogNoProgressMs: 120_000,
    unloadTimeoutMs: 30_000,
    listedTimeoutMs: 10_000,
    abortConfirmTimeoutMs: 2_000,
    pollIntervalMs: 50,
    maxOutputBytes: 16 * MIB,
    maxLineBytes: 16 * MIB,
    maxJsonBytes: 64 * MIB,
    ...options,
    baseUrl: options.baseUrl.replace(/\/+$/, ''),
  };
};
