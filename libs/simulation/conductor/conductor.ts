import { rfc3339Of } from '#libs/domain/time.js';
import type { PolicySettings } from '#libs/domain/policy/settings.js';
import type { SimModel } from '../hardware.js';
import { seededRandom, seedOf } from '../random.js';
import type { SimScheduler } from '../run-record.js';
import type { SimTask, Trace } from '../trace.js';
import { VirtualClock } from '../virtual-clock.js';
import { Workload } from '../workload.js';
import type { Submission } from './control-plane.js';
import { EPOCH_MS } from './epoch.js';
import { profileOf, Site } from './site.js';

/** This platform's own scheduling, as one of those that are compared; `besideShare` of servers that are no Ollama. */
export const conductor = (name: string, policy: PolicySettings, besideShare?: number): SimScheduler => ({
  name,
  run: (trace, hardware) => {
    const clock = new VirtualClock();
    // It says when a task is ready; the platform is told at the submission and finds out by itself.
    const workload = new Workload(trace, clock, () => {});
    const site = new Site({
      clock,
      random: seededRandom(seedOf('machine', trace.seed)),
      hardware,
      models: trace.models,
      policy: { ...policy, weights: weightsOf(trace) },
      ...(besideShare === undefined ? {} : { besideShare }),
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
    clock.run();
    return workload.record(name, [...site.servers.values()]);
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
      retry: { attemptsMax: 1, backoffMs: 0 },
    },
  ],
  submittedAt,
  ...(task.deadlineMs === null ? {} : { deadlineAt: rfc3339Of(EPOCH_MS + Math.floor(task.deadlineMs)) }),
});
