import { createHash } from 'node:crypto';
import { mkdtemp, rename, rm, writeFile, chmod } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { runCommand } from './run-command.js';

/**
 * SHA-256 of the official release archives, as the NATS project's own image definitions pin them (nats-io/nats-docker, commit
 * aa0caa5 "Releases v2.14.5, v2.12.15", file 2.14.x/alpine3.22/Dockerfile). They cover Linux only; on macOS the next
 * providers (Go, Homebrew) do their own checking.
 */
const CHECKSUMS: Readonly<Record<string, string>> = {
  '2.14.5/linux-amd64': '5e3b603d47c447bda1f77f9ac16dbf91c90aac4ff3681f8fbbc7201e4ed99355',
  '2.14.5/linux-arm64': '673a98d3faa79dde3f9ebf16d6dfac36a5f694e7ad2015e4954dd7939c85cd4c',
};

const ARCHITECTURES: Readonly<Record<string, string>> = { x64: 'amd64', arm64: 'arm64' };

/** The archive has 7 MB; this is what a slow line needs. */
const DOWNLOAD_LIMIT_MS = 120_000;
const ARCHIVE_MAX_BYTES = 64 * 1024 * 1024;
const UNPACK_LIMIT_MS = 30_000;

export type DownloadOptions = {
  /** Where the program shall lie. */
  readonly target: string;
  readonly version: string;
  readonly say: (line: string) => void;
};

/** Path of the program, or null with the reason said. Nothing is unpacked that does not have the pinned checksum. */
export const downloadRelease = async ({ target, version, say }: DownloadOptions): Promise<string | null> => {
  const platform = `${process.platform}-${ARCHITECTURES[process.arch] ?? process.arch}`;
  const expected = CHECKSUMS[`${version}/${platform}`];
  if (expected === undefined) return null;
  const name = `nats-server-v${version}-${platform}`;
  const url = `https://github.com/nats-io/nats-server/releases/download/v${version}/${name}.tar.gz`;
  say(`downloading ${url}`);
  const folder = await mkdtemp(join(dirname(target), 'download-'));
  try {
    const archive = await fetchArchive(url);
    const actual = createHash('sha256').update(archive).digest('hex');
    if (actual !== expected) {
      say(`the download has SHA-256 ${actual}, expected ${expected}: not used`);
      return null;
    }
    await writeFile(join(folder, 'archive.tar.gz'), archive);
    await unpack(folder, `${name}/nats-server`);
    await chmod(join(folder, name, 'nats-server'), 0o755);
    await rename(join(folder, name, 'nats-server'), target);
    return target;
  } catch (error) {
    say(`download failed: ${reasonOf(error)}`);
    return null;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
};

const fetchArchive = async (url: string): Promise<Uint8Array> => {
  const response = await fetch(url, { signal: AbortSignal.timeout(DOWNLOAD_LIMIT_MS) });
  if (!response.ok || response.body === null) throw new Error(`HTTP ${response.status}`);
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
    bytes += chunk.length;
    if (bytes > ARCHIVE_MAX_BYTES) throw new Error(`longer than ${ARCHIVE_MAX_BYTES} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
};

const unpack = async (folder: string, member: string): Promise<void> => {
  const args = ['-xzf', join(folder, 'archive.tar.gz'), '-C', folder, member];
  const { code, output } = await runCommand('tar', args, { limitMs: UNPACK_LIMIT_MS });
  if (code !== 0) throw new Error(`tar: ${output}`);
};

/** `fetch` hides the cause ("fetch failed"); the cause names the host or the certificate. */
const reasonOf = (error: unknown): string => {
  const { cause } = error as { readonly cause?: { readonly message?: string } };
  return cause?.message === undefined ? String(error) : `${String(error)}: ${cause.message}`;
};
