import { vramBytesOf, type Hardware } from './hardware.js';
import type { TaskRun } from './run-record.js';
import type { SimTask, Trace } from './trace.js';

/** GPU milliseconds times the share of the GPU's VRAM; the unit in which workspaces are compared. */
export type Service = number;

/**
 * Service that a running task receives per millisecond: the part of its GPU's VRAM that its slot of the model
 * takes. All slots of a model that fills a GPU receive 1 together. 0 on a server or for a model that is unknown;
 * `runViolations` names those.
 */
export const serviceRates = (
  trace: Trace,
  hardware: Hardware,
): ((run: Pick<TaskRun, 'serverId'>, task: Pick<SimTask, 'model'>) => number) => {
  const models = new Map(trace.models.map((model) => [model.model, model]));
  const servers = new Map(hardware.servers.map((server) => [server.serverId, server]));
  return ({ serverId }, { model: name }) => {
    const server = servers.get(serverId);
    const model = models.get(name);
    return server === undefined || model === undefined
      ? 0
      : vramBytesOf(model, server.slots) / server.gpu.vramBytes / server.slots;
  };
};
