import type { Server } from '#libs/domain/gpu/gpu.js';
import { loadKey, type ObservedBytes } from '#libs/domain/gpu/observed-bytes.js';
import { sameModel, type ModelProfile } from '#libs/domain/gpu/profile.js';
import { estimateVramBytes } from '#libs/domain/gpu/vram-estimate.js';
import type { ServerId } from '#libs/domain/ids.js';
import type { InstalledModel, ModelRunner } from '#libs/model-runner/model-runner.js';
import { ModelRunnerError } from '#libs/model-runner/model-runner-error.js';
import type { Logger } from '#libs/runtime/logger.js';

/** A download is told of in steps of so many percent. */
const SHOWN_PERCENT = 10;

/** How much memory a model will take on a server: what it once took, else what its metadata say. Installs it where the server may. */
export class ModelSizes {
  constructor(
    private readonly runnerOf: (serverId: ServerId) => ModelRunner,
    private readonly observed: ObservedBytes,
    private readonly logger: Logger,
  ) {}

  /** Rejects with `MODEL_NOT_FOUND` where it is not installed and must not be, and with what the server answers. */
  async neededBytes({ spec }: Server, profile: ModelProfile, signal: AbortSignal): Promise<number> {
    const runner = this.runnerOf(spec.serverId);
    const { sizeBytes } = await this.#installed(runner, profile.model, spec, signal);
    const observed = this.observed.get(loadKey(spec.device, profile, spec.slots));
    if (observed !== undefined) return observed;
    const { modelInfo } = await runner.describe(profile.model, signal);
    const { slots } = spec;
    return estimateVramBytes({ fileBytes: sizeBytes, modelInfo, numCtx: profile.options.numCtx, slots });
  }

  async #installed(
    runner: ModelRunner,
    model: string,
    { serverId, pullMissing }: Server['spec'],
    signal: AbortSignal,
  ): Promise<InstalledModel> {
    const find = async (): Promise<InstalledModel | undefined> =>
      (await runner.listInstalled(signal)).find((known) => sameModel(known.model, model));
    const found = await find();
    if (found) return found;
    if (!pullMissing) {
      throw new ModelRunnerError(
        'MODEL_NOT_FOUND',
        `Server ${serverId} does not have model '${model}'. Install it there (ollama pull ${model}), or set pull_missing: true for the server.`,
        { model, serverId },
      );
    }
    await this.#download(runner, model, serverId, signal);
    const pulled = await find();
    if (pulled) return pulled;
    throw new ModelRunnerError(
      'PULL_FAILED',
      `Server ${serverId} does not list '${model}' after its download.`,
      { model },
    );
  }

  async #download(
    runner: ModelRunner,
    model: string,
    serverId: ServerId,
    signal: AbortSignal,
  ): Promise<void> {
    this.logger.info({ model, serverId }, 'downloading a missing model');
    let shownPercent = -SHOWN_PERCENT;
    await runner.pull(
      model,
      ({ status, completedBytes = 0, totalBytes = 0 }) => {
        const percent = totalBytes > 0 ? Math.floor((completedBytes / totalBytes) * 100) : 0;
        if (percent < shownPercent + SHOWN_PERCENT) return;
        shownPercent = percent;
        this.logger.info({ model, serverId, status, percent }, 'download');
      },
      signal,
    );
  }
}
