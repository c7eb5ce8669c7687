import { writeFile } from 'node:fs/promises';
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import type { ProgramRunner } from '../sandbox/program-runner.js';
import { NO_SECRETS } from '#libs/secrets/redactor.js';
import { StepError } from '../step-error.js';
import { quoted } from '../workspace/inside-path.js';
import type { PdfReader } from './read-files.step.js';

const TIMEOUT_MS = 60_000;

/**
 * Text of a PDF by pdftotext (poppler) in the sandbox: whatever a PDF does to its reader, it does it there. `pdftotext` is its absolute
 * path, null where this machine lacks it.
 */
export const pdfText =
  (runner: ProgramRunner, pdftotext: string | null): PdfReader =>
  async (pdf, path, { workspace, signal, maxBytes }) => {
    if (pdftotext === null)
      throw new StepError(
        'FILE_NOT_READABLE',
        `${quoted(path)} is a PDF, and pdftotext (poppler-utils) is not installed on the machine of the executor; accepted: encoding: base64.`,
      );
    const source = join(workspace.scratch, `pdf-${randomUUID()}`);
    await writeFile(source, pdf, { mode: 0o600, flag: 'wx' });
    const end = await runner.run({
      workspace,
      mounts: [{ source, target: '/run/step/file.pdf', writable: false }],
      folder: workspace.files,
      network: false,
      timeoutMs: TIMEOUT_MS,
      outputMaxBytes: maxBytes,
      redactor: NO_SECRETS,
      signal,
      program: (seen) => ({
        file: pdftotext,
        args: ['-enc', 'UTF-8', '-q', '--', seen(source), '-'],
        env: {},
      }),
    });
    if (end.exitCode !== 0)
      throw new StepError(
        'FILE_NOT_READABLE',
        `${quoted(path)} is no PDF that can be read: ${end.stderr.lastWords || `exit code ${end.exitCode}`}`,
      );
    return { text: end.stdout.text, truncated: end.stdout.truncated };
  };
