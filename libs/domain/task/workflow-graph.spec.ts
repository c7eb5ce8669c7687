import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { graphProblems, inOrder, reachableIn, type WorkflowGraph } from '#libs/domain/task/workflow-graph.js';

const graphOf = (edges: Readonly<Record<string, readonly string[]>>): WorkflowGraph =>
  new Map(Object.entries(edges));

describe('a graph of tasks', () => {
  it.each([
    ['an edge to nobody', { a: [], b: ['c'] }, 'b', 0, /no task 'c'/, 'a'],
    ['an edge to itself', { a: ['a'] }, 'a', 0, /the task itself/, 'names of other tasks'],
    ['an edge that is there twice', { a: [], b: ['a', 'a'] }, 'b', 1, /named twice/, 'each name once'],
    ['nobody to need', { a: ['b'] }, 'a', 0, /no task 'b'/, 'none: there is no other'],
    [
      'a circle behind a task that is none of it',
      { start: [], a: ['start', 'b'], b: ['c'], c: ['a'], end: ['a'] },
      'a',
      1,
      /a -> b -> c -> a \(each needs the next\)/,
      'needs without a circle',
    ],
    ['a circle of two', { a: ['b'], b: ['a'] }, 'a', 0, /a -> b -> a/, 'needs without a circle'],
  ])('is refused for %s', (_, edges, task, place, says, accepted) => {
    expect(graphProblems(graphOf(edges))).toEqual([
      { task, place, message: expect.stringMatching(says), accepted },
    ]);
  });

  it('names twenty of many tasks', () => {
    const edges = Object.fromEntries(Array.from({ length: 30 }, (_, n) => [`t${n}`, [] as string[]]));
    const [problem] = graphProblems(graphOf({ ...edges, last: ['nobody'] }));
    expect(problem?.accepted).toMatch(/^t0, .*t19, …$/);
  });

  it('is put in order, as it was given where nothing else decides', () => {
    const graph = graphOf({ join: ['left', 'right'], source: [], left: ['source'], right: ['source'] });
    expect(graphProblems(graph)).toEqual([]);
    expect(inOrder(graph)).toEqual(['source', 'left', 'right', 'join']);
    expect([...(reachableIn(graph).get('join') ?? [])].toSorted()).toEqual(['left', 'right', 'source']);
  });

  const edges = fc.array(fc.uniqueArray(fc.nat(7), { maxLength: 3 }), { minLength: 1, maxLength: 8 });
  const named = (needs: readonly (readonly number[])[]): WorkflowGraph =>
    new Map(
      needs.map((of, n) => [
        `t${n}`,
        of.filter((other) => other < needs.length && other !== n).map((other) => `t${other}`),
      ]),
    );

  it('either has an order in which each comes behind what it needs, or a circle that is there', () =>
    fc.assert(
      fc.property(edges, (needs) => {
        const graph = named(needs);
        const order = inOrder(graph);
        for (const [place, task] of order.entries())
          for (const need of graph.get(task) ?? []) expect(order.indexOf(need)).toBeLessThan(place);
        const [problem] = graphProblems(graph);
        expect(problem === undefined).toBe(order.length === graph.size);
        if (problem === undefined) return;
        const [path = ''] = /\S+( -> \S+)+/.exec(problem.message) ?? [];
        const circle = path.split(' -> ');
        expect(circle.at(-1)).toBe(circle[0]);
        for (const [place, task] of circle.slice(0, -1).entries())
          expect(graph.get(task)).toContain(circle[place + 1]);
        expect(graph.get(problem.task)?.[problem.place]).toBe(circle[1]);
      }),
      { numRuns: 1_000 },
    ));
});
