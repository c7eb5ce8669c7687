import { describe, expect, it } from '@jest/globals';
import { NO_SECRETS } from '#libs/secrets/redactor.js';
import type { NotifyReply, NotifyRequest } from '#libs/contracts/notify-rpc.js';
import { RpcUnavailableError } from '#libs/runtime/rpc-client.js';
import type { StepContext } from '../step-runner.js';
import { notifyStep } from './notify.step.js';

const stored = (status: 'pending' | 'delivered' | 'failed', attempts = 0): NotifyReply => ({
  ok: true,
  delivery: {
    id: 'msg-1',
    order: 1,
    channel: 'ops',
    cause: { kind: 'step', stepId: 'tell' },
    task: null,
    createdAtMs: 0,
    status,
    attempts,
    nextAttemptAtMs: null,
    endedAtMs: null,
    title: 't',
    lastTry: null,
  },
});

type Said = NotifyReply | Error;

/** Runs the step against a notifier that answers in turn, and keeps what it was asked. */
const run = async (
  input: object,
  answers: readonly Said[],
  signal = new AbortController().signal,
): Promise<{ readonly output: unknown; readonly asked: readonly NotifyRequest[] }> => {
  const asked: NotifyRequest[] = [];
  const notify = async (request: NotifyRequest): Promise<NotifyReply> => {
    const answer = answers[asked.length];
    asked.push(request);
    if (answer === undefined || answer instanceof Error) throw answer ?? new Error('asked too often');
    return answer;
  };
  const context: StepContext = {
    taskId: 't1',
    stepId: 'tell',
    input: input as Readonly<Record<string, unknown>>,
    requirement: { kind: 'cpu' },
    attempt: 1,
    model: () => Promise.reject(new Error('no model here')),
    redactor: NO_SECRETS,
    workspace: () => Promise.reject(new Error('no workspace here')),
    token: () => undefined,
    progress: () => undefined,
    signal,
  };
  const { output } = await notifyStep(notify)(context);
  return { output, asked };
};

describe('the step notify', () => {
  it('asks on while nobody takes messages, with the same request', async () => {
    const away = new RpcUnavailableError('rpc.results.notify: nobody answers');
    const { output, asked } = await run({ channel: 'ops', title: 't' }, [away, away, stored('pending')]);
    expect(output).toEqual({ id: 'msg-1', channel: 'ops', status: 'pending', attempts: 0 });
    expect(new Set(asked.map((request) => JSON.stringify(request))).size).toBe(1);
  });

  it('waits with `wait` until the message is over', async () => {
    const input = { channel: 'ops', title: 't', wait: true };
    const { output } = await run(input, [stored('pending'), stored('pending', 1), stored('delivered', 2)]);
    expect(output).toMatchObject({ status: 'delivered', attempts: 2 });
    await expect(run(input, [stored('pending'), stored('failed', 9)])).rejects.toMatchObject({
      code: 'NOTIFICATION_NOT_DELIVERED',
    });
  });

  it('fails as it is told, and ends when it is aborted', async () => {
    const failure = { code: 'CHANNEL_UNKNOWN', message: 'there is none' } as const;
    await expect(run({ channel: 'x', title: 't' }, [{ ok: false, failure }])).rejects.toMatchObject(failure);
    await expect(run({ channel: 'x', title: 't' }, [], AbortSignal.abort())).rejects.toMatchObject({
      code: 'RUN_ABORTED',
    });
  });
});
