/**
 * How programs in any language serve step types: JSON over core NATS. A worker says `hello` every few seconds and is what it said last;
 * an executor, which holds the lease, hands it runs and takes what it says about them. Nothing here is stored.
 */
export const PLUGIN_SUBJECTS = {
  /** A worker's `PluginHello`, or its `bye`; answered with `HelloReply` where a reply is asked for. */
  hello: (type: string) => `plugin.hello.${type}`,
  /** `FromWorker`: what a worker says about its runs. */
  from: (type: string) => `plugin.from.${type}`,
  /** `ToWorker`: what an executor tells one worker. */
  to: (type: string, worker: string) => `plugin.to.${type}.${worker}`,
  /** `UnusablePlugins`: what an executor could not load. */
  unusable: 'plugin.unusable',
  allHellos: 'plugin.hello.*.*',
  allFrom: 'plugin.from.*.*',
  allTo: 'plugin.to.*.*.*',
} as const;

/** What a step type is: the same whether it runs in an executor or in a program of its own. */
export type StepManifest = {
  /** Such as `acme.word_count`. */
  readonly name: string;
  readonly version: string;
  readonly description?: string;
  /** `model`: it gets the address of the server on which it holds a slot of its model. Default: `cpu`. */
  readonly needs?: 'cpu' | 'model';
  /** JSON Schemas (2020-12); absent: anything. */
  readonly input?: Readonly<Record<string, unknown>>;
  readonly output?: Readonly<Record<string, unknown>>;
};

export type PluginHello = {
  readonly worker: string;
  readonly manifest: StepManifest;
  /** Runs at once; default 1. */
  readonly slots?: number;
  /** Ids of the runs that it works on. */
  readonly runs?: readonly string[];
  /** It goes: it takes nothing more, and has nothing left. */
  readonly bye?: true;
  /** Set by executors, for those step types that they run themselves. */
  readonly inProcess?: true;
};

export type HelloReply =
  | {
      readonly ok: true;
      /** How often the next ones are expected. */
      readonly hello_every_ms: number;
      /** What is probably not meant so; absent where there is nothing. */
      readonly warnings?: readonly string[];
    }
  | { readonly ok: false; readonly error: string };

/** Said by executors as often as hellos, also where there is nothing. */
export type UnusablePlugins = { readonly executor: string; readonly problems: readonly string[] };

/** The right to work on one attempt. */
export type PluginRun = {
  readonly kind: 'run';
  readonly run: string;
  readonly task: string;
  readonly step: string;
  /** From 1. */
  readonly attempt: number;
  readonly input: Readonly<Record<string, unknown>>;
  /** Where it holds a slot of its model; only where it needs one. */
  readonly model?: { readonly name: string; readonly url: string };
};

export type ToWorker =
  | PluginRun
  /** Stop: nobody wants what comes of it. */
  | { readonly kind: 'cancel'; readonly run: string; readonly reason: string }
  /** Still wanted. A worker that does not hear this for `KEEP_LOST_MS` may stop: its executor is gone. */
  | { readonly kind: 'keep'; readonly run: string };

export type FromWorker = { readonly worker: string; readonly run: string } & (
  | { readonly kind: 'accept' }
  /** It has its hands full; the run goes to another one. */
  | { readonly kind: 'busy' }
  | {
      readonly kind: 'progress';
      readonly message: string;
      readonly completed?: number;
      readonly total?: number;
    }
  | { readonly kind: 'log'; readonly message: string }
  | { readonly kind: 'complete'; readonly output: unknown }
  /** `retry` false: another attempt would end the same. */
  | { readonly kind: 'fail'; readonly message: string; readonly retry?: boolean }
);

/** How often a worker says hello, and an executor says that a run is still wanted. */
export const HELLO_EVERY_MS = 2_000;
/** Four hellos missed: the worker is gone. */
export const WORKER_LOST_MS = 10_000;

export const PLUGIN_LIMITS = {
  /** Workers of all types; what more say hello are refused. */
  workers: 2_000,
  slots: 1_000,
  helloBytes: 128 * 1024,
  messageChars: 2_000,
  /** Problems of one executor that are told; its log has all. */
  problems: 50,
  /** Words of progress and lines of a run that are passed on; the rest is dropped. */
  messagesPerRun: 2_000,
} as const;
