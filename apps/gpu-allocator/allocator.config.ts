import { COMMON_SETTINGS, SNAPSHOT_EVERY_EVENTS } from '#libs/runtime/common.settings.js';
import { flag, integer, loadSettings, optionalText, type Loaded } from '#libs/runtime/settings.js';

export const ALLOCATOR_SETTINGS = {
  ...COMMON_SETTINGS,
  serversFile: optionalText({
    env: 'ORCHESTRA_SERVERS_FILE',
    meaning:
      'YAML file with the inference servers. A changed file is picked up while running. Without it only steps that need no model can run.',
  }),
  cpuSlots: integer({
    env: 'ORCHESTRA_CPU_SLOTS',
    meaning: 'Steps without a model that may run at once, over all executors.',
    fallback: 256,
    min: 1,
    max: 10_000,
  }),
  leaseTtlMs: integer({
    env: 'ORCHESTRA_LEASE_TTL_MS',
    meaning:
      'A lease that is not renewed for this long expires, and its step is tried again. Lower finds dead executors sooner; higher survives longer pauses.',
    fallback: 10_000,
    min: 500,
    max: 600_000,
    unit: 'milliseconds',
  }),
  unloadOnStop: flag({
    env: 'ORCHESTRA_UNLOAD_ON_STOP',
    meaning:
      'Unload models that we loaded when the allocator is stopped. Without it they stay in VRAM for ever.',
    fallback: true,
  }),
  probeEveryMs: integer({
    env: 'ORCHESTRA_PROBE_EVERY_MS',
    meaning: 'How often each inference server is looked at.',
    fallback: 3_000,
    min: 100,
    max: 600_000,
    unit: 'milliseconds',
  }),
  probeTimeoutMs: integer({
    env: 'ORCHESTRA_PROBE_TIMEOUT_MS',
    meaning:
      'How long an inference server may take to answer a look. Two looks in a row without an answer mean that it is down; its leases end and their steps are tried elsewhere.',
    // Ollama answers such calls in milliseconds, but for up to 5 s not at all while it unloads: twice that.
    fallback: 10_000,
    min: 100,
    max: 600_000,
    unit: 'milliseconds',
  }),
  loadTimeoutMs: integer({
    env: 'ORCHESTRA_LOAD_TIMEOUT_MS',
    meaning:
      'A model that is not loaded after this makes its server suspect: nothing is placed there until all of its models were unloaded.',
    // Ollama's own OLLAMA_LOAD_TIMEOUT.
    fallback: 300_000,
    min: 1_000,
    max: 86_400_000,
    unit: 'milliseconds',
  }),
  unloadTimeoutMs: integer({
    env: 'ORCHESTRA_UNLOAD_TIMEOUT_MS',
    meaning: 'A model that is still listed this long after the order to unload it makes its server suspect.',
    // The server waits up to 5 s for the driver to give memory back, and three such waits can stand in line: twice that.
    fallback: 30_000,
    min: 500,
    max: 3_600_000,
    unit: 'milliseconds',
  }),
  snapshotEveryEvents: SNAPSHOT_EVERY_EVENTS,
};

export type AllocatorConfig = Loaded<typeof ALLOCATOR_SETTINGS>;

export const loadAllocatorConfig = (): AllocatorConfig => loadSettings(ALLOCATOR_SETTINGS, process.env);
