import { createHash, randomBytes } from 'node:crypto';
import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Objm } from '@nats-io/obj';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { jetStreamArtifactStore } from '#libs/artifacts/jetstream.artifact-store.js';
import { provision } from '#libs/broker/provision.js';
import type { AttemptOutcome } from '#libs/contracts/reports.js';
import { ARTIFACTS_PER_TASK_MAX, type StoredArtifact } from '#libs/domain/task/artifact.js';
import { submitted, success } from '#libs/testing/builders.js';
import { startNatsServer, type TestServer } from '#libs/testing/nats-server.js';
import { StepBench } from './step-bench.js';

/** Goal: what steps store comes back byte for byte, to whoever may read it and to nobody else. */
const MIB = 1024 * 1024;

let server: TestServer;
let connection: NatsConnection;
let bench: StepBench;

beforeAll(async () => {
  server = await startNatsServer();
  connection = await connect({ servers: server.url });
  await provision(connection, { artifactsMaxBytes: 256 * MIB });
  bench = await StepBench.start(
    { ORCHESTRA_UNSANDBOXED: 'allow' },
    { store: jetStreamArtifactStore(connection) },
  );
});

afterAll(async () => {
  await bench?.stop();
  await connection?.close();
  await server?.remove();
});

type Completed = Extract<AttemptOutcome, { readonly kind: 'completed' }>;

const done = async (...args: Parameters<StepBench['run']>): Promise<Completed> => {
  const outcome = await bench.run(...args);
  if (outcome.kind !== 'completed') throw new Error(JSON.stringify(outcome));
  return outcome;
};

/** Stores, and says so in the log, as the scheduler does. */
const store = async (
  input: Readonly<Record<string, unknown>>,
  options: Parameters<StepBench['run']>[2] = {},
): Promise<StoredArtifact> => {
  const outcome = await done('store_result', input, options);
  const [artifact, ...more] = outcome.artifacts ?? [];
  if (artifact === undefined || more.length > 0) throw new Error('one artifact was expected');
  const { taskId = 't1', stepId = 'a' } = options;
  expect(outcome.output).toEqual({
    artifact: {
      reference: `${taskId}/${artifact.name}`,
      name: artifact.name,
      size_bytes: artifact.sizeBytes,
      digest: artifact.digest,
      content_type: artifact.contentType,
    },
  });
  const step = { ...success(stepId), output: outcome.output, artifacts: [artifact] };
  await bench.tell({ type: 'step.completed', taskId, step });
  return artifact;
};

const sha256 = (bytes: Uint8Array): string => `sha256:${createHash('sha256').update(bytes).digest('hex')}`;

const fileWith = async (name: string, bytes: Uint8Array): Promise<void> => {
  await mkdir(bench.files(), { recursive: true });
  await writeFile(join(bench.files(), name), bytes);
};

describe('store_result', () => {
  it.each([
    ['note.txt', 'Rivers are long. é東', 'Rivers are long. é東', 'text/plain; charset=utf-8'],
    ['table.csv', 'a,b\n1,2\n', 'a,b\n1,2\n', 'text/csv; charset=utf-8'],
    ['answer', { n: [1, null] }, '{\n  "n": [\n    1,\n    null\n  ]\n}\n', 'application/json'],
    ['nothing', null, 'null\n', 'application/json'],
    ['empty', '', '', 'text/plain; charset=utf-8'],
  ])('stores %s', async (name, content, written, contentType) => {
    const artifact = await store({ name, content });
    expect(artifact).toMatchObject({ contentType, sizeBytes: Buffer.byteLength(written) });
    expect(artifact.digest).toBe(sha256(Buffer.from(written)));
    expect((await done('read_files', { artifacts: [name] })).output).toEqual({
      files: [{ path: name, text: written, bytes: Buffer.byteLength(written), encoding: 'utf-8' }],
      truncated: false,
    });
  });

  it('stores a file of 5 MiB, which another task of the workspace writes into its own folder', async () => {
    const bytes = randomBytes(5 * MIB);
    await fileWith('model.bin', bytes);
    const artifact = await store({ name: 'weights.bin', from_file: 'model.bin' });
    expect(artifact).toMatchObject({
      sizeBytes: bytes.length,
      digest: sha256(bytes),
      contentType: 'application/octet-stream',
    });
    await bench.tell(submitted({ taskId: 't2' }));
    const { output } = await done(
      'write_file',
      { path: 'in/weights.bin', artifact: 't1/weights.bin' },
      { taskId: 't2' },
    );
    expect(output).toEqual({
      path: 'in/weights.bin',
      bytes: bytes.length,
      sha256: artifact.digest.slice('sha256:'.length),
    });
    const copy = await readFile(join(bench.files('t2'), 'in/weights.bin'));
    expect(copy.equals(bytes)).toBe(true);
  });

  it('takes the place of what had the name before', async () => {
    await store({ name: 'again.txt', content: 'first' });
    await store({ name: 'again.txt', content: 'second' });
    const { output } = await done('read_files', { artifacts: ['again.txt', 't1/again.txt'] });
    expect(output).toMatchObject({ files: [{ text: 'second' }, { text: 'second' }] });
  });

  it('takes secrets out of values and of files, wherever they are cut', async () => {
    const value = 'tok-1f9c77e2b';
    const long = Buffer.concat([Buffer.alloc(256 * 1024 - 5, 'x'), Buffer.from(`${value} end`)]);
    await fileWith('told.txt', long);
    const values = { token: value };
    await store({ name: 'told.txt', from_file: 'told.txt' }, { values });
    await store({ name: 'said.txt', content: `it is ${value}` }, { values });
    const { output } = await done('read_files', { artifacts: ['told.txt', 'said.txt'], max_bytes: 900_000 });
    const [told, said] = (output as { files: readonly { text: string }[] }).files;
    expect(told?.text.slice(-25)).toBe('xxxxx[secret token] end'.padStart(25, 'x'));
    expect(said?.text).toBe('it is [secret token]');
  });

  it.each([
    [{ name: 'both', content: 'x', from_file: 'y' }, 'STEP_INPUT_INVALID', /Both content and from_file/],
    [{ name: 'none' }, 'STEP_INPUT_INVALID', /Neither content nor from_file/],
    [{ name: '../x', content: 'x' }, 'STEP_INPUT_INVALID', /name/],
    [{ name: 'x', content: 'x', content_type: 'text/html\r\nx: y' }, 'STEP_INPUT_INVALID', /content_type/],
    [{ name: 'x', from_file: 'missing.bin' }, 'FILE_NOT_FOUND', /missing.bin/],
    [{ name: 'x', from_file: '../../etc/passwd' }, 'PATH_NOT_ALLOWED', /'\.\.'/],
    [{ name: 'x', from_file: 'link' }, 'PATH_NOT_ALLOWED', /leads out of the workspace/],
  ])('refuses %j', async (input, code, message) => {
    await mkdir(bench.files(), { recursive: true });
    await symlink('/etc/hostname', join(bench.files(), 'link')).catch(() => undefined);
    expect(await bench.run('store_result', input)).toMatchObject({
      kind: 'failed',
      failure: { code, message: expect.stringMatching(message) },
    });
  });

  it('stores so many for a task and no more, but the same again', async () => {
    const taskId = 't-many';
    await bench.tell(submitted({ taskId }));
    const many = Array.from({ length: ARTIFACTS_PER_TASK_MAX }, (_, n) => ({
      name: `n${n}`,
      object: `${taskId}/${n}`,
      sizeBytes: 1,
      digest: sha256(Buffer.from('x')),
      contentType: 'text/plain',
    }));
    await bench.tell({ type: 'step.completed', taskId, step: { ...success(), artifacts: many } });
    expect(await bench.run('store_result', { name: 'more', content: 'x' }, { taskId })).toMatchObject({
      failure: { code: 'ARTIFACTS_TOO_MANY', details: { accepted: ARTIFACTS_PER_TASK_MAX } },
    });
    await store({ name: 'n7', content: 'x' }, { taskId });
  });

  it('ends when it is cancelled', async () => {
    await fileWith('large.bin', Buffer.alloc(4 * MIB));
    const attempt = bench.attempt('store_result', { name: 'large.bin', from_file: 'large.bin' });
    attempt.ending = 'cancelled';
    attempt.abort.abort();
    expect(await bench.run('store_result', {}, { attempt })).toMatchObject({
      kind: 'failed',
      failure: { code: 'STEP_INPUT_INVALID' },
    });
    expect(
      await bench.run('store_result', { name: 'large.bin', from_file: 'large.bin' }, { attempt }),
    ).toEqual({ kind: 'cancelled', confirmed: true });
  });
});

describe('an artifact that is read', () => {
  it('is cut at max_bytes, and is read to its end all the same', async () => {
    await store({ name: 'lines.txt', content: 'line\n'.repeat(200_000) });
    const { output } = await done('read_files', { artifacts: ['lines.txt'], max_bytes: 10 });
    expect(output).toEqual({
      files: [
        { path: 'lines.txt', text: 'line\nline\n', bytes: 1_000_000, encoding: 'utf-8', truncated: true },
      ],
      truncated: true,
    });
  });

  it('is refused where it is not what was stored, and leaves no file', async () => {
    const { object } = await store({ name: 'damaged.txt', content: 'as it was' });
    const objects = await new Objm(connection).open('artifacts');
    await objects.putBlob({ name: object }, Buffer.from('as it is!'));
    const failure = { code: 'ARTIFACT_DAMAGED' };
    expect(await bench.run('read_files', { artifacts: ['damaged.txt'] })).toMatchObject({ failure });
    expect(await bench.run('write_file', { path: 'd.txt', artifact: 'damaged.txt' })).toMatchObject({
      failure,
    });
    await expect(readFile(join(bench.files(), 'd.txt'))).rejects.toThrow(/ENOENT/);
    await done('write_file', { path: 'kept.txt', text: 'kept' });
    expect(
      await bench.run('write_file', { path: 'kept.txt', artifact: 'damaged.txt', append: true }),
    ).toMatchObject({ failure });
    expect(await readFile(join(bench.files(), 'kept.txt'), 'utf8')).toBe('kept');
  });

  it('belongs to its workspace', async () => {
    await store({ name: 'private.txt', content: 'ours' });
    await bench.tell(submitted({ taskId: 't-lab', workspace: 'lab' }));
    const outcome = await bench.run('read_files', { artifacts: ['t1/private.txt'] }, { taskId: 't-lab' });
    expect(outcome).toMatchObject({
      failure: {
        code: 'ARTIFACT_UNKNOWN',
        message: 'There is no artifact t1/private.txt in the workspace of this task.',
      },
    });
  });

  it.each([
    ['no/such/thing', 'STEP_INPUT_INVALID', /names no artifact; accepted: <task>\/<name>/],
    ['t-nowhere/x.txt', 'ARTIFACT_UNKNOWN', /There is no artifact t-nowhere\/x.txt/],
    ['absent.txt', 'ARTIFACT_UNKNOWN', /'t1' has no artifact 'absent.txt'; it has .*note.txt/],
  ])('%s is told apart', async (reference, code, message) => {
    expect(await bench.run('write_file', { path: 'x', artifact: reference })).toMatchObject({
      failure: { code, message: expect.stringMatching(message) },
    });
  });
});
