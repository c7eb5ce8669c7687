import { ModelRunnerError } from '../model-runner-error.js';
import type { InstalledModel, ModelDescription, PullProgress, ResidentModel } from '../model-runner.js';

/** What the server sends, read field by field: a server of another version must not put `undefined` into our types. */
export type Wire = Readonly<Record<string, unknown>>;

export const isWire = (value: unknown): value is Wire =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

export const text = (from: Wire, field: string): string | undefined => {
  const value = from[field];
  return typeof value === 'string' ? value : undefined;
};

export const number = (from: Wire, field: string): number | undefined => {
  const value = from[field];
  return typeof value === 'number' && Number.isFinite(value) ? value : undefined;
};

const objects = (from: Wire, field: string): Wire[] => {
  const value: unknown = from[field];
  return Array.isArray(value) ? value.filter(isWire) : [];
};

const strings = (value: unknown): string[] =>
  Array.isArray(value) ? value.filter((item): item is string => typeof item === 'string') : [];

const required = <T>(what: string, field: string, value: T | undefined): T => {
  if (value !== undefined) return value;
  throw new ModelRunnerError(
    'MODEL_ERROR',
    `${what}: the answer has no '${field}' — is this an Ollama server?`,
  );
};

export const readVersion = (what: string, from: Wire): { readonly version: string } => ({
  version: required(what, 'version', text(from, 'version')),
});

export const readInstalled = (what: string, from: Wire): readonly InstalledModel[] =>
  objects(from, 'models').map((model) => ({
    model: required(what, 'model', text(model, 'model') ?? text(model, 'name')),
    digest: text(model, 'digest') ?? '',
    sizeBytes: number(model, 'size') ?? 0,
  }));

export const readResident = (what: string, from: Wire): readonly ResidentModel[] =>
  objects(from, 'models').map((model) => ({
    model: required(what, 'model', text(model, 'model') ?? text(model, 'name')),
    digest: text(model, 'digest') ?? '',
    sizeBytes: number(model, 'size') ?? 0,
    vramBytes: number(model, 'size_vram') ?? 0,
    ...present('contextLength', number(model, 'context_length')),
    ...present('expiresAt', text(model, 'expires_at')),
  }));

export const readDescription = (model: string, from: Wire): ModelDescription => {
  const details = isWire(from['details']) ? from['details'] : {};
  return {
    model,
    capabilities: strings(from['capabilities']),
    ...present('family', text(details, 'family')),
    ...present('parameterSize', text(details, 'parameter_size')),
    ...present('quantization', text(details, 'quantization_level')),
    modelInfo: isWire(from['model_info']) ? from['model_info'] : {},
  };
};

export const readPullProgress = (from: Wire): PullProgress => ({
  status: text(from, 'status') ?? '',
  ...present('completedBytes', number(from, 'completed')),
  ...present('totalBytes', number(from, 'total')),
});

/** The server lists `name:latest` for a model that was asked for as `name`. */
export const sameModel = (a: string, b: string): boolean => tagged(a) === tagged(b);

const tagged = (name: string): string => (/:[^/]*$/.test(name) ? name : `${name}:latest`);

const present = <K extends string, T>(name: K, value: T | undefined): { [P in K]?: T } =>
  value === undefined ? {} : ({ [name]: value } as { [P in K]?: T });
