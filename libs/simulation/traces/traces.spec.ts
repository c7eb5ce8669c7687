import { describe, expect, it } from '@jest/globals';
import { vramBytesOf } from '#libs/simulation/hardware.js';
import { hardwarePresets } from '#libs/simulation/presets.js';
import { TRACES } from '#libs/simulation/traces/traces.js';

const CASES = hardwarePresets().flatMap((hardware) =>
  Object.entries(TRACES).map(([name, make]) => ({ name, on: hardware.name, hardware, make })),
);

describe.each(CASES)('the workload $name on $on', ({ name, hardware, make }) => {
  const trace = make(hardware, 1);

  it('is the same for the same seed, and another one for another', () => {
    expect(make(hardware, 1)).toEqual(trace);
    expect(make(hardware, 2).tasks).not.toEqual(trace.tasks);
  });

  it('has tasks in the order of arrival, each once, that some server can run', () => {
    expect(trace.name).toBe(name);
    const seen = new Set<string>();
    const models = new Map(trace.models.map((model) => [model.model, model]));
    const workspaces = new Set(trace.workspaces.map((workspace) => workspace.name));
    let lastMs = 0;
    for (const task of trace.tasks) {
      expect([task.atMs >= lastMs, seen.has(task.id), workspaces.has(task.workspace)]).toEqual([
        true,
        false,
        true,
      ]);
      expect(task.after.filter((id) => !seen.has(id))).toEqual([]);
      expect(task.outputTokens).toBeLessThanOrEqual(task.outputTokensMax);
      const model = models.get(task.model);
      const fits = hardware.servers.some(
        ({ gpu, slots }) => model !== undefined && vramBytesOf(model, slots) <= gpu.vramBytes,
      );
      expect(fits).toBe(true);
      seen.add(task.id);
      lastMs = task.atMs;
    }
  });

  it('has more than fits at once, or tasks enough to keep the machine busy', () => {
    expect(trace.tasks.length).toBeGreaterThanOrEqual(300);
    expect(trace.kind === 'batch').toBe(trace.tasks.every(({ atMs }) => atMs === 0));
  });
});
