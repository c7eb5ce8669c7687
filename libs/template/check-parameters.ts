import { BoundedPattern } from './bounded-pattern.js';
import {
  PARAMETER_TYPES,
  type OutputSpec,
  type ParameterSpec,
  type ParameterType,
} from './compiled-template.js';
import { shown } from './describe-schema.js';
import { FieldChecks, type Mapping } from './field-checks.js';
import { didYouMean } from './suggest.js';
import { TEMPLATE_LIMITS } from './limits.js';
import { parameterSchema } from './parameters-schema.js';
import { pathText, schemaCheck } from './schema-check.js';
import type { Path, YamlSource } from './yaml-source.js';

/** Keys that every type has, and those that only some have. */
const COMMON_KEYS = ['type', 'description', 'required', 'enum'];
/** Defaults are filled in at the top only, and a list has items, none of which is required by name. */
const PARAMETER_KEYS = ['default'];
const OUTPUT_KEYS = ['value'];
const OUTPUT_SAID = "an object such as {type: string, value: '{{ steps.answer.output.text }}'}";
const TYPE_KEYS: Readonly<Record<ParameterType, readonly string[]>> = {
  string: ['min_length', 'max_length', 'pattern'],
  integer: ['minimum', 'maximum'],
  number: ['minimum', 'maximum'],
  boolean: [],
  array: ['items', 'min_length', 'max_length'],
  object: ['properties'],
  any: [],
};

const NAME = /^[A-Za-z][A-Za-z0-9_]{0,63}$/;
const LENGTH_MAX = 10_000_000;

/** Checks the declared parameters; each one that is right is in the result. */
export const checkParameters = (
  value: unknown,
  source: YamlSource,
): Readonly<Record<string, ParameterSpec>> => {
  if (value === undefined) return {};
  return new ParameterChecks(source).fields(['parameters'], value, PARAMETER_KEYS);
};

/** Checks the named outputs, but not what their values read; each one that is right is in the result, null where there are none. */
export const checkOutputs = (
  value: unknown,
  source: YamlSource,
): Readonly<Record<string, OutputSpec>> | null => {
  if (value === undefined) return null;
  const specs = new ParameterChecks(source).fields(['outputs'], value, OUTPUT_KEYS);
  const written = value as Readonly<Record<string, Mapping>>;
  for (const name of Object.keys(specs)) {
    if (written[name]?.['value'] !== undefined) continue;
    const expected = "what the output is, such as '{{ steps.answer.output.text }}'";
    source.problem(['outputs', name, 'value'], `is missing; expected ${expected}`);
  }
  return Object.fromEntries(
    Object.entries(specs).map(([name, spec]) => [name, { ...spec, value: written[name]?.['value'] ?? null }]),
  );
};

class ParameterChecks {
  readonly #check: FieldChecks;

  constructor(private readonly source: YamlSource) {
    this.#check = new FieldChecks(source);
  }

  /** `own`: keys of these declarations beside those that all have. */
  fields(path: Path, value: unknown, own: readonly string[] = []): Readonly<Record<string, ParameterSpec>> {
    const fields = this.#check.mapping(path, value, 'names, each with its type');
    const specs: Record<string, ParameterSpec> = {};
    if (fields === null) return specs;
    const names = Object.keys(fields);
    if (names.length > TEMPLATE_LIMITS.parameters) {
      this.source.problem(
        path,
        `${names.length} are declared; accepted: up to ${TEMPLATE_LIMITS.parameters}`,
      );
      return specs;
    }
    for (const name of names) {
      if (!NAME.test(name)) {
        const accepted = 'a letter, then up to 63 letters, digits and _';
        this.source.problem(
          [...path, name],
          `${shown(name)} is not accepted as a name; expected ${accepted}`,
          'key',
        );
      }
      const spec = this.#spec([...path, name], fields[name], own);
      if (spec !== null) specs[name] = spec;
    }
    return specs;
  }

  #spec(path: Path, value: unknown, own: readonly string[] = []): ParameterSpec | null {
    const fields = this.#check.mapping(
      path,
      value,
      own === OUTPUT_KEYS ? OUTPUT_SAID : 'an object such as {type: string, required: true}',
    );
    if (fields === null) return null;
    const type = PARAMETER_TYPES.find((known) => known === fields['type']);
    if (type === undefined) {
      const found =
        fields['type'] === undefined
          ? 'is missing'
          : `${shown(fields['type'])} is not a type${didYouMean(fields['type'], PARAMETER_TYPES)}`;
      this.source.problem([...path, 'type'], `${found}; accepted: ${PARAMETER_TYPES.join(', ')}`);
      return null;
    }
    this.#check.knownKeys(path, fields, [...COMMON_KEYS, ...own, ...TYPE_KEYS[type]]);
    const before = this.source.problems.length;
    const spec = this.#details(path, type, fields);
    if (this.source.problems.length === before) this.#values(path, spec);
    return spec;
  }

  #details(path: Path, type: ParameterType, fields: Mapping): ParameterSpec {
    const { items, properties } = fields;
    const at = (name: string): Path => [...path, name];
    this.#oneOfTypes(path, fields, 'description', 'string');
    this.#oneOfTypes(path, fields, 'required', 'boolean');
    for (const name of ['minimum', 'maximum']) this.#oneOfTypes(path, fields, name, 'number');
    for (const name of ['min_length', 'max_length'])
      this.#check.integer(at(name), fields[name], 0, LENGTH_MAX, 0);
    this.#ordered(path, fields, 'minimum', 'maximum');
    this.#ordered(path, fields, 'min_length', 'max_length');
    this.#pattern(at('pattern'), fields['pattern']);
    if (
      fields['enum'] !== undefined &&
      this.#check.list(at('enum'), fields['enum'], 'a list of values')?.length === 0
    )
      this.source.problem(at('enum'), 'the list is empty; expected at least one value');
    if (fields['required'] === true && fields['default'] !== undefined)
      this.source.problem(
        at('default'),
        'a required parameter never uses its default; accepted: one of the two',
      );
    const known = [...COMMON_KEYS, ...PARAMETER_KEYS, ...TYPE_KEYS[type]].filter(
      (name) => fields[name] !== undefined,
    );
    const itemSpec = items === undefined ? null : this.#spec(at('items'), items);
    return {
      ...(Object.fromEntries(known.map((name) => [name, fields[name]])) as ParameterSpec),
      type,
      ...(itemSpec === null ? {} : { items: itemSpec }),
      ...(properties === undefined ? {} : { properties: this.fields(at('properties'), properties) }),
    };
  }

  #oneOfTypes(path: Path, fields: Mapping, name: string, type: 'string' | 'boolean' | 'number'): void {
    const value = fields[name];
    if (value === undefined || typeof value === type) return;
    const expected = { string: 'text', boolean: 'true or false', number: 'a number' }[type];
    this.source.problem([...path, name], `${shown(value)} is not accepted; expected ${expected}`);
  }

  #ordered(path: Path, fields: Mapping, low: string, high: string): void {
    const [min, max] = [fields[low], fields[high]];
    if (typeof min !== 'number' || typeof max !== 'number' || min <= max) return;
    this.source.problem(
      [...path, low],
      `${min} is above ${high} ${max}, so nothing would be accepted; expected at most ${max}`,
    );
  }

  #pattern(path: Path, value: unknown): void {
    if (value === undefined) return;
    if (typeof value !== 'string' || value.length > TEMPLATE_LIMITS.patternChars) {
      const expected = `a regular expression of up to ${TEMPLATE_LIMITS.patternChars} characters`;
      this.source.problem(path, `${shown(value)} is not accepted; expected ${expected}`);
      return;
    }
    try {
      void new BoundedPattern(value);
    } catch (error) {
      this.source.problem(
        path,
        `${shown(value)} is not a regular expression: ${String(error)}; expected one of JavaScript with flag u, such as ^[a-z]+$`,
      );
    }
  }

  /** The author's own values must be right by the author's own rules. */
  #values(path: Path, spec: ParameterSpec): void {
    const { enum: allowed, default: preset, ...rest } = spec;
    for (const [n, value] of (allowed ?? []).entries()) this.#fits([...path, 'enum', n], rest, value);
    if (preset !== undefined)
      this.#fits([...path, 'default'], allowed ? { ...rest, enum: allowed } : rest, preset);
  }

  #fits(path: Path, spec: ParameterSpec, value: unknown): void {
    for (const { segments, message } of schemaCheck(parameterSchema(spec))(value)) {
      const inside = segments.length === 0 ? '' : `${pathText('', segments)} `;
      this.source.problem([...path, ...segments], `${inside}${message}`);
    }
  }
}
