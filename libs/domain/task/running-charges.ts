import type { TaskId, WorkspaceId } from '../ids.js';
import type { Costs } from '../policy/costs.js';
import { weightOf, type PolicySettings } from '../policy/settings.js';
import { needOf } from './requirement.js';
import { activeSteps, type OpenTask } from './task.js';

/** What running attempts will be charged, if they take what is usual: or a workspace could fill all slots before the first one ends. */
export class RunningCharges {
  readonly #perTask = new Map<TaskId, { readonly workspace: WorkspaceId; readonly ms: number }>();
  readonly #perWorkspace = new Map<WorkspaceId, { readonly tasks: number; readonly ms: number }>();

  track(task: OpenTask, costs: Costs, policy: PolicySettings): void {
    this.forget(task.id);
    let ms = 0;
    for (const { spec, vramShare } of activeSteps(task))
      ms += costs.meanMs(needOf(spec.requirement)) * vramShare;
    if (ms === 0) return;
    ms /= weightOf(policy, task.workspace);
    this.#perTask.set(task.id, { workspace: task.workspace, ms });
    this.#add(task.workspace, 1, ms);
  }

  forget(taskId: TaskId): void {
    const known = this.#perTask.get(taskId);
    if (known === undefined) return;
    this.#perTask.delete(taskId);
    this.#add(known.workspace, -1, -known.ms);
  }

  ofWorkspace(workspace: WorkspaceId): number {
    return this.#perWorkspace.get(workspace)?.ms ?? 0;
  }

  /** What rounding leaves behind goes with the last task. */
  #add(workspace: WorkspaceId, tasks: 1 | -1, ms: number): void {
    const known = this.#perWorkspace.get(workspace) ?? { tasks: 0, ms: 0 };
    if (known.tasks + tasks === 0) this.#perWorkspace.delete(workspace);
    else this.#perWorkspace.set(workspace, { tasks: known.tasks + tasks, ms: known.ms + ms });
  }
}
