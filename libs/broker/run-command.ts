import { spawn } from 'node:child_process';

export type CommandResult = {
  /** Null when the program was ended by a signal, was not found or ran out of time. */
  readonly code: number | null;
  /** Standard output and error together, at most `OUTPUT_MAX_CHARS`: enough for a version or the end of an error. */
  readonly output: string;
};

const OUTPUT_MAX_CHARS = 64 * 1024;

/** Runs a program without a shell, for no longer than `limitMs`, and never rejects: what went wrong stands in the output. */
export const runCommand = async (
  file: string,
  args: readonly string[],
  options: { readonly limitMs: number; readonly env?: NodeJS.ProcessEnv; readonly folder?: string },
): Promise<CommandResult> =>
  await new Promise((resolve) => {
    let output = '';
    const child = spawn(file, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: options.env ?? process.env,
      cwd: options.folder,
      signal: AbortSignal.timeout(options.limitMs),
      killSignal: 'SIGKILL',
    });
    const keep = (chunk: Buffer): void => {
      output = (output + chunk.toString('utf8')).slice(-OUTPUT_MAX_CHARS);
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    child.on('error', (error) => {
      const late = error.name === 'AbortError';
      resolve({
        code: null,
        output: late ? `${file} did not end within ${options.limitMs} ms` : String(error),
      });
    });
    child.on('close', (code) => resolve({ code, output: output.trim() }));
  });
