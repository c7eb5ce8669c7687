import { rfc3339Of } from '#libs/domain/time.js';
import type { PolicySettings } from '#libs/domain/policy/settings.js';
import type { SimModel } from '../hardware.js';
import { playOutages } from '../outages.js';
import { seededRandom, seedOf } from '../random.js';
import type { SimScheduler } from '../run-record.js';
import type { SimTask, Trace } from '../trace.js';
import { VirtualClock } from '../virtual-clock.js';
import { Workload } from '../workload.js';
import type { Heard, Submission } from './control-plane.js';
import { Disturbances } from './disturbances.js';
import { EPOCH_MS } from './epoch.js';
import { profileOf, Site } from './site.js';

/** What a template's steps have where it says nothing else. */
const RETRY = { attemptsMax: 3, backoffMs: 1_000 };

/** This platform's own scheduling, as one of those that are compared; `besideShare` of servers that are no Ollama; `heard` is told every fact. */
export const conductor = (
  name: string,
  policy: PolicySettings,
  besideShare?: number,
  heard: Heard = {},
): SimScheduler => ({
  name,
  run: (trace, hardware) => {
    const clock = new VirtualClock();
    // It says when a task is ready; the platform is told at the submission and finds out by itself.
    const workload = new Workload(trace, clock, () => {});
    const disturbances = new Disturbances(clock);
    const site = new Site({
      clock,
      random: seededRandom(seedOf('machine', trace.seed)),
      hardware,
      models: trace.models,
      policy: { ...policy, weights: weightsOf(trace) },
      ...(besideShare === undefined ? {} : { besideShare }),
      heard: {
        task: (record) => {
          disturbances.hear(record);
          heard.task?.(record);
        },
        lease: (record) => {
          disturbances.hear(record);
          heard.lease?.(record);
        },
      },
      onStarted: ({ step }, { boundMs, predictedMs }) => {
        if (boundMs !== null) workload.promise(step.taskId, boundMs);
        if (predictedMs !== null) workload.predict(step.taskId, predictedMs);
        workload.started(step.taskId);
      },
      onEnded: ({ step, serverId }) => workload.ended(step.taskId, serverId),
      onImpossible: (taskId, { message }) => {
        throw new Error(`task '${taskId}' of '${trace.name}': ${message}`);
      },
    });
    const models = new Map(trace.models.map((model) => [model.model, model]));
    for (const task of trace.tasks) {
      const model = models.get(task.model);
      if (model === undefined)
        throw new Error(`task '${task.id}' names '${task.model}', which '${trace.name}' lacks`);
      clock.at(task.atMs, () => {
        const refused = site.submit(submissionOf(task, model, site.at), task);
        if (refused) throw new Error(`task '${task.id}' of '${trace.name}': ${refused.message}`);
      });
    }
    playOutages(trace.outages ?? [], [...site.servers.values()], clock);
    clock.run();
    const { spans } = disturbances;
    const record = workload.record(name, [...site.servers.values()]);
    return spans.length === 0 ? record : { ...record, disturbances: spans };
  },
});

const weightsOf = ({ workspaces }: Trace): PolicySettings['weights'] =>
  Object.fromEntries(workspaces.map(({ name, weight }) => [name, weight]));

const submissionOf = (task: SimTask, model: SimModel, submittedAt: string): Submission => ({
  taskId: task.id,
  workspace: task.workspace,
  parameters: {},
  priority: task.priority,
  dependsOn: task.after,
  labels: {},
  steps: [
    {
      id: 'run',
      stepType: 'ollama_generate',
      needs: [],
      requirement: { kind: 'model', profile: profileOf(model) },
      retry: RETRY,
    },
  ],
  submittedAt,
  ...(task.deadlineMs === null ? {} : { deadlineAt: rfc3339Of(EPOCH_MS + Math.floor(task.deadlineMs)) }),
});
