import { describe, expect, it } from '@jest/globals';
import { QueryFailure } from './query-failure.js';
import { parseQuery } from './query-request.js';

const refusal = (request: unknown): string => {
  try {
    parseQuery(request);
  } catch (error) {
    if (error instanceof QueryFailure) return error.failure.message;
  }
  throw new Error('the request was accepted');
};

describe('a query off the wire', () => {
  it('keeps what is known and makes times comparable', () =>
    expect(
      parseQuery({
        kind: 'tasks',
        atLeastSeq: 7,
        page: { size: 20, after: 'x', more: true },
        filter: {
          statuses: ['failed', 'queued'],
          labels: { a: 'b' },
          createdFrom: '2026-01-01T02:00:00+02:00',
        },
      }),
    ).toEqual({
      kind: 'tasks',
      atLeastSeq: 7,
      page: { size: 20, after: 'x' },
      filter: { statuses: ['queued', 'failed'], labels: { a: 'b' }, createdFrom: '2026-01-01T00:00:00.000Z' },
    }));

  it.each([
    [null, /^request: null — expected an object/],
    [
      { kind: 'all' },
      /^kind: "all" — expected one of task, tasks, workflow, workflows, status-counts, leases/,
    ],
    [{ kind: 'task' }, /^taskId: nothing — expected 1 to 64/],
    [{ kind: 'task', taskId: 'A b' }, /^taskId: "A b"/],
    [{ kind: 'task', taskId: 'a', atLeastSeq: -1 }, /^atLeastSeq: -1 — expected a sequence/],
    [{ kind: 'workflow', workflowId: '' }, /^workflowId: "" — expected 1 to 64/],
    [{ kind: 'workflows', page: {} }, /^page\.size: nothing/],
    [{ kind: 'status-counts', filter: { workflowId: 5 } }, /^workflowId: 5 — expected 1 to 64/],
    [{ kind: 'tasks', page: { size: 0 } }, /^page\.size: 0 — expected a whole number from 1 to 200/],
    [{ kind: 'tasks', page: { size: 201 } }, /^page\.size: 201/],
    [{ kind: 'tasks', page: { size: 1, after: 'a', before: 'b' } }, /not both/],
    [
      { kind: 'status-counts', filter: { statuses: ['done'] } },
      /^statuses: \["done"\] — expected a list of queued, /,
    ],
    [{ kind: 'status-counts', filter: { statuses: [] } }, /^statuses: \[\]/],
    [
      { kind: 'status-counts', filter: { createdTo: 'yesterday' } },
      /^createdTo: "yesterday" — expected a time of RFC 3339/,
    ],
    [{ kind: 'status-counts', filter: { labels: { a: 1 } } }, /^labels\.a: 1 — expected text/],
  ])('%j is refused with the place, the value and what is accepted', (request, says) =>
    expect(refusal(request)).toMatch(says),
  );
});
