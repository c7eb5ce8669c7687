import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { Command } from 'commander';
import type { ArtifactList, ArtifactView } from '#libs/contracts/queries.js';
import { ARTIFACT_NAME_ACCEPTED, isArtifactName, parseReference } from '#libs/domain/task/artifact.js';
import { downloadTo } from '../client/download.js';
import { taskPath } from '../client/task-view.js';
import { CommandError, EXIT } from '../exit-codes.js';
import type { Session } from '../session.js';

/** `orchestra artifacts`: large data of tasks. */
export const addArtifactCommands = (program: Command, session: () => Session): void => {
  const artifacts = program.command('artifacts').description('large data of tasks');
  artifacts
    .command('list <task>')
    .description('what the steps of a task have stored')
    .action(async (task: string) => await list(task, session()));
  artifacts
    .command('get <artifact>')
    .description('save an artifact, named <task>/<name> as the list names it')
    .option('--out <path>', 'a file, or a folder; default: its name, here')
    .action(
      async (reference: string, { out }: { readonly out?: string }) =>
        await download(reference, out, session()),
    );
  artifacts
    .command('upload <file>')
    .description('send a file for tasks to read; prints the name that they take')
    .option('--name <name>', 'what it is called; default: the name of the file')
    .option('--workspace <id>', 'only its tasks can read it (default: default)')
    .action(async (file: string, options: UploadOptions) => await upload(file, options, session()));
};

type UploadOptions = { readonly name?: string; readonly workspace?: string };

const upload = async (
  file: string,
  { name, workspace }: UploadOptions,
  { api, out }: Session,
): Promise<void> => {
  const { size } = await stat(file).catch((error: unknown) => {
    throw new CommandError(EXIT.usage, `'${file}' cannot be read: ${(error as Error).message}`);
  });
  const called = name ?? basename(file);
  if (!isArtifactName(called))
    throw new CommandError(
      EXIT.usage,
      `'${called}' is no name of an artifact; accepted: ${ARTIFACT_NAME_ACCEPTED}. Give one with --name.`,
    );
  const query = workspace === undefined ? '' : `?workspace=${encodeURIComponent(workspace)}`;
  const path = `/api/v1/artifacts/${called}${query}`;
  const sent = await api.send<Uploaded>(path, createReadStream(file), size);
  out.show(sent, () => [sent.reference]);
};

type Uploaded = Omit<ArtifactView, 'step_id' | 'stored_at' | 'removed_at' | 'removed_reason'>;

const list = async (task: string, { api, out }: Session): Promise<void> => {
  const { items } = await api.call<ArtifactList>('GET', `${taskPath(task)}/artifacts`);
  if (items.length === 0) out.note('There are no artifacts.');
  for (const item of items) out.line(item, artifactLine(item));
};

export const artifactLine = ({
  reference,
  size_bytes: bytes,
  content_type: type,
  removed_at: removedAt,
  removed_reason: reason,
}: ArtifactView): string => {
  const removed = removedAt === null ? '' : `  removed at ${removedAt} (${reason})`;
  return `${sizeText(bytes).padStart(9)}  ${reference}  ${type}${removed}`;
};

const UNITS = ['B', 'KiB', 'MiB', 'GiB'] as const;

export const sizeText = (bytes: number): string => {
  const power = Math.min(UNITS.length - 1, bytes < 1 ? 0 : Math.floor(Math.log2(bytes) / 10));
  const shown = power === 0 ? String(bytes) : (bytes / 1024 ** power).toFixed(1);
  return `${shown} ${UNITS[power]}`;
};

const download = async (reference: string, to: string | undefined, { api, out }: Session): Promise<void> => {
  const parsed = parseReference(reference);
  if (parsed === null || parsed.taskId === null)
    throw new CommandError(EXIT.usage, `'${reference}' names no artifact; accepted: <task>/<name>.`);
  const { taskId, name } = parsed;
  const file = await fileFor(to, name);
  const saved = await downloadTo(api, `/api/v1/artifacts/${taskId}/${name}`, file);
  out.show({ ...saved, file }, () => [`${sizeText(saved.size_bytes)}  ${file}  ${saved.digest}`]);
};

const fileFor = async (to: string | undefined, name: string): Promise<string> => {
  if (to === undefined) return name;
  const isFolder = await stat(to).then(
    (found) => found.isDirectory(),
    () => basename(to) === '',
  );
  return isFolder ? join(to, name) : to;
};
