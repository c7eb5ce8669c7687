/** Tasks of a workflow by name, each with the names that it needs, as somebody wrote them. */
export type WorkflowGraph = ReadonlyMap<string, readonly string[]>;

/** What is wrong with an edge: the task, and the place in its list. */
export type GraphProblem = {
  readonly task: string;
  readonly place: number;
  readonly message: string;
  readonly accepted: string;
};

/** Names that an error lists. */
const NAMES_MAX = 20;

/** Edges to nobody, to itself and twice to the same, or where there are none of these, one cycle. */
export const graphProblems = (graph: WorkflowGraph): readonly GraphProblem[] => {
  const problems: GraphProblem[] = [];
  for (const [task, needs] of graph) {
    const seen = new Set<string>();
    for (const [place, need] of needs.entries()) {
      const problem = edgeProblem(task, need, seen, graph);
      if (problem) problems.push({ task, place, ...problem });
      seen.add(need);
    }
  }
  if (problems.length > 0) return problems;
  const cycle = cycleIn(graph);
  const [task, next] = cycle ?? [];
  if (!cycle || task === undefined || next === undefined) return [];
  return [
    {
      task,
      place: graph.get(task)?.indexOf(next) ?? 0,
      message: `the tasks need each other in a circle: ${cycle.join(' -> ')} (each needs the next)`,
      accepted: 'needs without a circle',
    },
  ];
};

const edgeProblem = (
  task: string,
  need: string,
  seen: ReadonlySet<string>,
  graph: WorkflowGraph,
): Pick<GraphProblem, 'message' | 'accepted'> | null => {
  if (need === task) return { message: `'${need}' is the task itself`, accepted: 'names of other tasks' };
  if (seen.has(need)) return { message: `'${need}' is named twice`, accepted: 'each name once' };
  if (graph.has(need)) return null;
  const others = [...graph.keys()].filter((name) => name !== task);
  const more = others.length > NAMES_MAX ? ', …' : '';
  const accepted =
    others.length === 0 ? 'none: there is no other' : others.slice(0, NAMES_MAX).join(', ') + more;
  return { message: `there is no task '${need.slice(0, 80)}' in this workflow`, accepted };
};

/** Each task behind those that it needs, else in the order given; those on or behind a cycle are missing. */
export const inOrder = (graph: WorkflowGraph): readonly string[] => {
  const left = new Map([...graph].map(([task, needs]) => [task, needs.length]));
  const neededBy = new Map<string, string[]>();
  for (const [task, needs] of graph)
    for (const need of needs) neededBy.set(need, [...(neededBy.get(need) ?? []), task]);
  const order = [...left].flatMap(([task, count]) => (count === 0 ? task : []));
  // It grows while it is read: a task comes in when the last that it needs is in.
  for (const done of order) {
    for (const task of neededBy.get(done) ?? []) {
      const count = (left.get(task) ?? 0) - 1;
      left.set(task, count);
      if (count === 0) order.push(task);
    }
  }
  return order;
};

/** For each task everything that it needs, directly or through others. The graph has no cycle. */
export const reachableIn = (graph: WorkflowGraph): ReadonlyMap<string, ReadonlySet<string>> => {
  const reachable = new Map<string, ReadonlySet<string>>();
  for (const task of inOrder(graph)) {
    const above = new Set<string>();
    for (const need of graph.get(task) ?? []) {
      above.add(need);
      for (const further of reachable.get(need) ?? []) above.add(further);
    }
    reachable.set(task, above);
  }
  return reachable;
};

/** Whoever is left out of the order needs another one that is; going from need to need comes back to where it was. */
const cycleIn = (graph: WorkflowGraph): readonly string[] | null => {
  const ordered = new Set(inOrder(graph));
  const path: string[] = [];
  const places = new Map<string, number>();
  let task = [...graph.keys()].find((name) => !ordered.has(name));
  while (task !== undefined) {
    const place = places.get(task);
    if (place !== undefined) return [...path.slice(place), task];
    places.set(task, path.length);
    path.push(task);
    task = graph.get(task)?.find((need) => !ordered.has(need));
  }
  return null;
};
