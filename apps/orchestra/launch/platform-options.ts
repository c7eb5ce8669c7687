import type { Durability } from '#libs/broker/server-config.js';
import type { ServiceName } from '#libs/contracts/subjects.js';

/** What `startPlatform` wants to know. */
export type PlatformOptions = {
  readonly dataDir: string;
  readonly durability: Durability;
  /** Port of the API; 0 takes a free one. */
  readonly port: number;
  /** Text of the servers file where the data folder has none yet. */
  readonly servers: string;
  /** File with the servers, instead of the one in the data folder. */
  readonly serversFile?: string;
  /** Write `servers` even where the data folder has a file already. */
  readonly rewriteServers?: boolean;
  /** Port for the broker where it is free; without it, or where it is taken, any free one. */
  readonly natsPort?: number;
  /** An existing broker, instead of one of our own. */
  readonly natsUrl?: string;
  /** Seed of a user of an existing broker who may make streams. */
  readonly adminSeed?: Uint8Array;
  /** Handed on to the services; what the launcher knows better is replaced. */
  readonly env: NodeJS.ProcessEnv;
  /** One line for each thing that happens. */
  readonly say: (line: string) => void;
  /** Gets each line that a service logs; all of them are in `<dataDir>/logs` anyway. */
  readonly onLog?: (service: ServiceName, line: string) => void;
  /** Gives up the start: `startPlatform` rejects, with everything stopped again. */
  readonly signal?: AbortSignal;
};
