import { describe, expect, it } from '@jest/globals';
import { errorLine, errorText, statusError, transportError } from './ollama-errors.js';

describe('what Ollama says when it fails', () => {
  it.each([
    [400, '{"error":"\\"m\\" does not support generate"}', 'MODEL_REQUEST_REFUSED'],
    [403, '', 'MODEL_REQUEST_REFUSED'],
    [404, '{"error":"model \\"m\\" not found, try pulling it first"}', 'MODEL_NOT_FOUND'],
    [404, '404 page not found', 'MODEL_REQUEST_REFUSED'],
    [429, '', 'SERVER_BUSY'],
    [499, '{"error":"request canceled"}', 'MODEL_STREAM_BROKEN'],
    [500, '{"error":"option \\"num_ctx\\" must be of type integer"}', 'MODEL_REQUEST_REFUSED'],
    [500, '{"error":"invalid format: \\"x\\"; expected \\"json\\""}', 'MODEL_REQUEST_REFUSED'],
    [500, '{"error":"timed out waiting for llama runner to start: context canceled"}', 'MODEL_LOAD_FAILED'],
    [
      500,
      '{"error":"model requires more system memory (9 GiB) than is available (2 GiB)"}',
      'MODEL_LOAD_FAILED',
    ],
    [500, '{"error":"model runner has unexpectedly stopped, this may be due to"}', 'MODEL_ERROR'],
    [503, '{"error":"server busy, please try again.  maximum pending requests exceeded"}', 'SERVER_BUSY'],
    [504, '<html>', 'SERVER_UNREACHABLE'],
  ] as const)('%i %s is %s', (status, body, code) => {
    expect(statusError('POST /x', status, body)).toMatchObject({ code, details: { status } });
  });

  it('repeats what the server said and where', () => {
    const { message } = statusError('POST http://h/api/chat', 400, '{"error":"no"}');
    expect(message).toBe('POST http://h/api/chat: the server answered 400 — no');
    expect(statusError('x', 302, '', 'http://e').message).toContain("a redirect to 'http://e'");
  });

  it('cuts what is too long for a log line, and takes text that is no JSON', () => {
    expect(errorText('z'.repeat(9_000))).toHaveLength(500);
    expect(errorText('{"error":{"code":1}}')).toBe('{"code":1}');
  });

  it('tells a broken answer from a server that is not there', () => {
    const refused = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' });
    expect(transportError('x', refused, false)).toMatchObject({
      code: 'SERVER_UNREACHABLE',
      details: { cause: 'ECONNREFUSED' },
    });
    expect(transportError('x', new Error('aborted'), true).code).toBe('MODEL_STREAM_BROKEN');
    const own = errorLine('x', 'boom');
    expect(transportError('x', own, true)).toBe(own);
  });
});
