/** Data goes to stdout, everything else to stderr; colours only where a person reads. */
export type Output = {
  readonly json: boolean;
  /** One JSON document (with --json) or lines for people. */
  readonly show: (value: unknown, lines: () => readonly string[]) => void;
  /** One line of a stream: NDJSON with --json. */
  readonly line: (value: unknown, text: string) => void;
  /** Text without a line end, for tokens; nothing with --json. */
  readonly text: (text: string) => void;
  /** A line for people, on stderr. */
  readonly note: (text: string, colour?: Colour) => void;
  /** Text for people without a line end, on stderr; nothing with --json. */
  readonly noteText: (text: string) => void;
  /** Colours what goes to stdout. */
  readonly colour: (name: Colour, text: string) => string;
};

const CODES = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33, blue: 34, cyan: 36 } as const;
export type Colour = keyof typeof CODES;

/** What an output writes to; a process's own streams in production. */
export type OutputStreams = Readonly<
  Record<'stdout' | 'stderr', Pick<NodeJS.WriteStream, 'write' | 'isTTY'>>
>;

export const createOutput = (
  json: boolean,
  { stdout, stderr }: OutputStreams = process,
  env: NodeJS.ProcessEnv = process.env,
): Output => {
  const colourFor =
    (stream: OutputStreams['stdout']) =>
    (name: Colour, text: string): string =>
      stream.isTTY && !env['NO_COLOR'] ? `\u001B[${CODES[name]}m${text}\u001B[0m` : text;
  const noted = colourFor(stderr);
  return {
    json,
    show: (value, lines) =>
      void stdout.write(
        json
          ? `${JSON.stringify(value, null, 2)}\n`
          : lines()
              .map((line) => `${line}\n`)
              .join(''),
      ),
    line: (value, text) => void stdout.write(json ? `${JSON.stringify(value)}\n` : `${text}\n`),
    text: (text) => void (json || stdout.write(text)),
    note: (text, colour) => void stderr.write(`${colour === undefined ? text : noted(colour, text)}\n`),
    noteText: (text) => void (json || stderr.write(text)),
    colour: colourFor(stdout),
  };
};

/** Columns as wide as their longest cell. */
export const columns = (rows: readonly (readonly string[])[]): readonly string[] => {
  const widths = rows.reduce<number[]>(
    (all, row) => row.map((cell, n) => Math.max(all[n] ?? 0, cell.length)),
    [],
  );
  return rows.map((row) =>
    row
      .map((cell, n) => cell.padEnd(widths[n] ?? 0))
      .join('  ')
      .trimEnd(),
  );
};
