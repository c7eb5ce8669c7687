import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { compileTemplate } from './compile-template.js';
import type { CompiledTemplate } from './compiled-template.js';

const compiled = (text: string): CompiledTemplate => {
  const result = compileTemplate(text, 'test.yaml');
  if (!result.ok) throw new Error(result.problems.map(({ message }) => message).join('\n'));
  return result.template;
};

const HEAD = 'name: t\nsteps:\n';
/** One good step; the wrong lines of most rows come after it. */
const GOOD = `${HEAD}  - id: a\n    type: noop\n`;

const wrong: readonly {
  readonly name: string;
  readonly text: string;
  /** Line and column, or none where the whole text is meant. */
  readonly at: readonly [number, number];
  readonly says: readonly RegExp[];
}[] = [
  {
    name: 'an empty text',
    text: '',
    at: [1, 1],
    says: [/null is not accepted/, /object with name and steps/],
  },
  { name: 'a list', text: '- a\n', at: [1, 1], says: [/expected an object with name and steps/] },
  { name: 'broken YAML', text: 'name: t\nsteps: [\n', at: [2, 8], says: [/not readable as YAML/] },
  {
    name: 'a name given twice',
    text: `name: t\n${GOOD}`,
    at: [2, 1],
    says: [/'name' is given twice/],
  },
  {
    name: 'an unknown tag',
    text: 'name: !!js/function t\nsteps: []',
    at: [1, 7],
    says: [/not readable as YAML.*tag/],
  },
  {
    name: 'no name',
    text: GOOD.replace('name: t\n', ''),
    at: [1, 1],
    says: [/^name: is missing/, /lower-case/],
  },
  {
    name: 'a bad name',
    text: GOOD.replace('name: t', 'name: My Template'),
    at: [1, 7],
    says: [/'My Template'/, /lower-case letters/],
  },
  {
    name: 'no steps',
    text: 'name: t\n',
    at: [1, 1],
    says: [/^steps: is missing/, /list of steps/],
  },
  {
    name: 'empty steps',
    text: 'name: t\nsteps: []\n',
    at: [2, 8],
    says: [/there are 0 steps; accepted: 1 to 100/],
  },
  {
    name: 'an unknown key',
    text: `${GOOD}parmeters: {}\n`,
    at: [5, 1],
    says: [/no such field/, /parameters, steps, output/],
  },
  {
    name: 'an unknown key of a step',
    text: `${GOOD}    wiht: {}\n`,
    at: [5, 5],
    says: [
      /steps\[0\]\.wiht/,
      /id, type, needs, when, foreach, concurrency, retry, on_failure, timeout, no_progress, slot, plugin_missing, with/,
    ],
  },
  {
    name: 'an unknown step type',
    text: `${HEAD}  - id: a\n    type: olama_generate\n`,
    at: [4, 11],
    says: [/'olama_generate' is not a step type/, /noop, ollama_generate, ollama_chat, ollama_embed/],
  },
  {
    name: 'two bodies of a request',
    text: `${HEAD}  - id: a\n    type: http_request\n    with: { url: 'http://x', json: 1, text: b }\n`,
    at: [5, 45],
    says: [/with\.text: 'b' is not accepted; expected nothing, because json is the body/],
  },
  {
    name: 'a name of a header that is none',
    text: `${HEAD}  - id: a\n    type: http_request\n    with: { url: 'http://x', headers: { 'a b': c } }\n`,
    at: [5, 39],
    says: [/with\.headers: 'a b' is not accepted; expected a string, of at most 100/],
  },
  {
    name: 'a status that is none',
    text: `${HEAD}  - id: a\n    type: http_request\n    with: { url: 'http://x', expect_status: [200, 9] }\n`,
    at: [5, 51],
    says: [/expect_status\[1\]: 9 is not accepted; expected a whole number from 100 to 599 or one of "2xx"/],
  },
  {
    name: 'a check that is no schema',
    text: `${HEAD}  - id: a\n    type: transform\n    with: { value: 1, check: { type: strnig } }\n`,
    at: [5, 30],
    says: [/with\.check: this is not a JSON Schema: type must be equal/, /accepted: a JSON Schema/],
  },
  {
    name: 'a title where there is no place for one',
    text: `${HEAD}  - id: a\n    type: format_output\n    with: { format: csv, value: [], title: x }\n`,
    at: [5, 44],
    says: [/with\.title: 'x' is not accepted; expected nothing, because json and csv have no title/],
  },
  { name: 'no step type', text: `${HEAD}  - id: a\n`, at: [3, 5], says: [/type: is missing/, /noop/] },
  {
    name: 'no step id',
    text: `${HEAD}  - type: noop\n`,
    at: [3, 5],
    says: [/id: is missing/, /lower-case letter/],
  },
  { name: 'a bad step id', text: `${HEAD}  - id: A B\n    type: noop\n`, at: [3, 9], says: [/'A B'/] },
  {
    name: 'a step id used twice',
    text: `${GOOD}  - id: a\n    type: noop\n`,
    at: [5, 9],
    says: [/'a' is the id of an earlier step/],
  },
  {
    name: 'needs of an unknown step',
    text: `${GOOD}    needs: [b]\n`,
    at: [5, 13],
    says: [/'b' is not a step/, /accepted: a/],
  },
  {
    name: 'needs that are no list',
    text: `${GOOD}    needs: a\n`,
    at: [5, 12],
    says: [/'a' is not accepted; expected a list of step ids/],
  },
  {
    name: 'a cycle',
    text: `${HEAD}  - { id: a, type: noop, needs: [c] }\n  - { id: b, type: noop }\n  - { id: c, type: noop }\n`,
    at: [3, 33],
    says: [/a → c → b → a/],
  },
  { name: 'a step that needs itself', text: `${GOOD}    needs: [a]\n`, at: [5, 12], says: [/a → a/] },
  {
    name: 'too many attempts',
    text: `${GOOD}    retry: { attempts_max: 21 }\n`,
    at: [5, 28],
    says: [/21 is not accepted; expected a whole number from 1 to 20/],
  },
  {
    name: 'an unknown class of errors',
    text: `${GOOD}    retry: { on: [server, sometimes] }\n`,
    at: [5, 27],
    says: [
      /retry\.on\[1\]: 'sometimes' is no class and no code/,
      /all, server, model, network, timeout, program, files, plugin, SERVER_BUSY/,
    ],
  },
  {
    name: 'a code that is final',
    text: `${GOOD}    retry: { on: [MODEL_NOT_FOUND] }\n`,
    at: [5, 19],
    says: [/'MODEL_NOT_FOUND' is final/],
  },
  {
    name: 'a code that is retried in any case',
    text: `${GOOD}    retry: { on: [LEASE_LOST] }\n`,
    at: [5, 19],
    says: [/'LEASE_LOST' is an interruption/],
  },
  {
    name: 'a number among codes',
    text: `${GOOD}    retry: { on: [502] }\n`,
    at: [5, 19],
    says: [/502 is no text/],
  },
  {
    name: 'a code that stands twice',
    text: `${GOOD}    retry: { on: [model, timeout, model] }\n`,
    at: [5, 35],
    says: [/'model' stands there twice/],
  },
  {
    name: 'no errors',
    text: `${GOOD}    retry: { on: [] }\n`,
    at: [5, 18],
    says: [/empty/, /attempts_max to 1/],
  },
  {
    name: 'errors that are no list',
    text: `${GOOD}    retry: { on: model }\n`,
    at: [5, 18],
    says: [/'model' is not accepted; expected a list of classes/],
  },
  {
    name: 'an unknown key of retry',
    text: `${GOOD}    retry: { attempts: 2 }\n`,
    at: [5, 14],
    says: [/attempts_max, backoff_ms, on/],
  },
  {
    name: 'an unknown field of the input',
    text: `${GOOD}    with: { delay: 5 }\n`,
    at: [5, 20],
    says: [/no field 'delay'/, /delay_ms, echo, fail/],
  },
  {
    name: 'a literal of the wrong type',
    text: `${GOOD}    with: { delay_ms: soon }\n`,
    at: [5, 23],
    says: [/'soon' is not accepted; expected a whole number from 0 to 600000/],
  },
  {
    name: 'a literal out of range',
    text: `${GOOD}    with: { delay_ms: 600001 }\n`,
    at: [5, 23],
    says: [/600001/, /to 600000/],
  },
  {
    name: 'a missing field of the input',
    text: `${HEAD}  - id: a\n    type: ollama_generate\n    with: { model: m }\n`,
    at: [5, 11],
    says: [/with\.prompt: is missing; expected a string/],
  },
  {
    name: 'a misspelt option',
    text: `${HEAD}  - id: a\n    type: ollama_generate\n    with: { model: m, prompt: p, options: { temprature: 1 } }\n`,
    at: [5, 57],
    says: [/no field 'temprature'/, /temperature/],
  },
  {
    name: 'an unknown parameter',
    text: `${GOOD}    with: { echo: '{{ parameters.text }}' }\n`,
    at: [5, 23],
    says: [/parameters\.text: there is no such parameter/, /none are declared/],
  },
  {
    name: 'an unknown root',
    text: `${GOOD}    with: { echo: '{{ params.text }}' }\n`,
    at: [5, 23],
    says: [/params\.text/, /parameters\.<name>, steps\.<id>\.output/],
  },
  {
    name: 'an unknown step in an expression',
    text: `${GOOD}    with: { echo: '{{ steps.b.output }}' }\n`,
    at: [5, 23],
    says: [/no such step/],
  },
  {
    name: 'a step that is not waited for',
    text: `${HEAD}  - { id: a, type: noop }\n  - id: b\n    type: noop\n    needs: []\n    with: { echo: '{{ steps.a.output }}' }\n`,
    at: [7, 23],
    says: [/does not wait for 'a'/, /needs/],
  },
  {
    name: 'something else than the output of a step',
    text: `${HEAD}  - { id: a, type: noop }\n  - id: b\n    type: noop\n    with: { echo: '{{ steps.a.text }}' }\n`,
    at: [6, 23],
    says: [/accepted: steps\.a\.output, steps\.a\.status, steps\.a\.error/],
  },
  {
    name: 'a field that no error has',
    text: `${HEAD}  - { id: a, type: noop }\n  - id: b\n    type: noop\n    with: { echo: '{{ steps.a.error.details }}' }\n`,
    at: [6, 23],
    says: [
      /steps\.a\.error\.details: an error only has its code and message; accepted: steps\.a\.error\.code/,
    ],
  },
  {
    name: 'a condition that is no expression',
    text: `${GOOD}    when: always\n`,
    at: [5, 11],
    says: [
      /steps\[0\]\.when: 'always' is not accepted; expected one expression in quotes, such as "\{\{ steps/,
    ],
  },
  {
    name: 'a condition that is a literal',
    text: `${GOOD}    when: true\n`,
    at: [5, 11],
    says: [/true is not accepted; expected one expression in quotes/],
  },
  {
    name: 'a condition without quotes, which YAML takes for an object',
    text: `${GOOD}    when: { { parameters.p }: }\n`,
    at: [5, 13],
    says: [/./],
  },
  {
    name: 'a condition with text around it',
    text: `parameters: { p: { type: string } }\n${GOOD}    when: "{{ parameters.p }} == 'x'"\n`,
    at: [6, 11],
    says: [/gives text, which is always true; expected one \{\{ expression \}\} and nothing around it/],
  },
  {
    name: 'a condition that is a tag',
    text: `${GOOD}    when: '{% if true %}yes{% endif %}'\n`,
    at: [5, 11],
    says: [/gives text, which is always true/],
  },
  {
    name: 'a condition that does not parse',
    text: `${GOOD}    when: '{{ parameters.a'\n`,
    at: [5, 12],
    says: [/when: .*not closed/],
  },
  {
    name: 'a condition about an unknown parameter',
    text: `${GOOD}    when: '{{ parameters.mode }}'\n`,
    at: [5, 15],
    says: [/parameters\.mode: there is no such parameter; accepted: none are declared/],
  },
  {
    name: 'a condition about a step that it does not wait for',
    text: `${HEAD}  - { id: a, type: noop }\n  - id: b\n    type: noop\n    needs: []\n    when: '{{ steps.a.output }}'\n`,
    at: [7, 15],
    says: [/does not wait for 'a'; accepted: none; put 'a' into needs/],
  },
  {
    name: 'a condition about the step itself',
    text: `${GOOD}    when: "{{ steps.a.status == 'failed' }}"\n`,
    at: [5, 15],
    says: [/a step cannot read of itself what is not there before it has ended; accepted: none here/],
  },
  {
    name: 'a timeout without a unit',
    text: `${GOOD}    timeout: 600\n`,
    at: [5, 14],
    says: [/timeout: 600 is not accepted; expected a duration such as 90s, 5m or 2h, from 100ms to 7d/],
  },
  {
    name: 'a timeout that is too short',
    text: `${GOOD}    timeout: 10ms\n`,
    at: [5, 14],
    says: [/'10ms' is not accepted; .* from 100ms to 7d/],
  },
  {
    name: 'a time without progress that is too long',
    text: `${GOOD}    no_progress: 8d\n`,
    at: [5, 18],
    says: [/no_progress: '8d' is not accepted; .* to 7d/],
  },
  {
    name: 'a time without progress that never passes',
    text: `${GOOD}    timeout: 2m\n    no_progress: 120s\n`,
    at: [6, 18],
    says: [/'120s' would never pass before timeout '2m' does; accepted: a shorter one/],
  },
  {
    name: 'an unknown way to go on after a failure',
    text: `${GOOD}    on_failure: skip\n`,
    at: [5, 17],
    says: [/on_failure: 'skip' is not accepted; expected fail or continue/],
  },
  {
    name: 'an unknown reference in output',
    text: `${GOOD}output: '{{ steps.z.output }}'\n`,
    at: [5, 13],
    says: [/steps\.z\.output: there is no such step; accepted: a/],
  },
  {
    name: 'an open expression',
    text: `${GOOD}    with: { echo: '{{ parameters.a' }\n`,
    at: [5, 20],
    says: [/not closed/],
  },
  {
    name: 'an unknown filter',
    text: `${GOOD}    with: { echo: '{{ "a" | shout }}' }\n`,
    at: [5, 29],
    says: [/undefined filter: shout/],
  },
  {
    name: 'two values in one expression',
    text: `${GOOD}    with: { echo: '{{ "a" "b" }}' }\n`,
    at: [5, 20],
    says: [/left over/],
  },
  {
    name: 'a tag that reads files',
    text: `${GOOD}    with: { echo: '{% include "/etc/passwd" %}' }\n`,
    at: [5, 20],
    says: [/tag "include" not found/],
  },
  {
    name: 'a model that depends on another step',
    text: `${HEAD}  - { id: a, type: noop }\n  - id: b\n    type: ollama_generate\n    with: { model: '{{ steps.a.output }}', prompt: p }\n`,
    at: [6, 20],
    says: [/decide where the step runs/],
  },
  {
    name: 'a parameter of a type that its field never accepts',
    text: `parameters: { text: { type: string } }\n${GOOD}    with: { delay_ms: '{{ parameters.text }}' }\n`,
    at: [6, 23],
    says: [/parameters\.text is of type string; expected a whole number/],
  },
  {
    name: 'text where a number belongs',
    text: `parameters: { n: { type: integer } }\n${GOOD}    with: { delay_ms: 'about {{ parameters.n }}' }\n`,
    at: [6, 23],
    says: [/this gives text; expected a whole number/],
  },
  {
    name: 'an unknown parameter type',
    text: `${GOOD}parameters: { a: { type: str } }\n`,
    at: [5, 26],
    says: [/'str' is not a type \(did you mean 'string'\?\); accepted: string, integer/],
  },
  {
    name: 'a parameter without type',
    text: `${GOOD}parameters: { a: {} }\n`,
    at: [5, 18],
    says: [/type: is missing/],
  },
  {
    name: 'a limit that the type does not have',
    text: `${GOOD}parameters: { a: { type: boolean, minimum: 1 } }\n`,
    at: [5, 35],
    says: [/no such field/, /enum, default/],
  },
  {
    name: 'a default of another type',
    text: `${GOOD}parameters: { a: { type: integer, default: five } }\n`,
    at: [5, 44],
    says: [/'five' is not accepted; expected a whole number/],
  },
  {
    name: 'a default that is not in enum',
    text: `${GOOD}parameters: { a: { type: string, enum: [x, y], default: z } }\n`,
    at: [5, 57],
    says: [/'z' is not accepted; expected one of "x", "y"/],
  },
  {
    name: 'a default out of range',
    text: `${GOOD}parameters: { a: { type: number, maximum: 1, default: 2 } }\n`,
    at: [5, 55],
    says: [/2 is not accepted; expected a number of at most 1/],
  },
  {
    name: 'a default of a required parameter',
    text: `${GOOD}parameters: { a: { type: string, required: true, default: z } }\n`,
    at: [5, 59],
    says: [/never uses its default/],
  },
  {
    name: 'an enum value of another type',
    text: `${GOOD}parameters: { a: { type: string, enum: [x, 1] } }\n`,
    at: [5, 44],
    says: [/1 is not accepted; expected a string/],
  },
  {
    name: 'limits that cross',
    text: `${GOOD}parameters: { a: { type: integer, minimum: 5, maximum: 4 } }\n`,
    at: [5, 44],
    says: [/5 is above maximum 4/],
  },
  {
    name: 'a pattern that is none',
    text: `${GOOD}parameters: { a: { type: string, pattern: '(' } }\n`,
    at: [5, 43],
    says: [/not a regular expression/],
  },
  {
    name: 'a bad parameter name',
    text: `${GOOD}parameters: { a-b: { type: string } }\n`,
    at: [5, 15],
    says: [/'a-b'/, /letters, digits and _/],
  },
  {
    name: 'a number that JSON cannot hold',
    text: `${GOOD}    with: { echo: .inf }\n`,
    at: [5, 19],
    says: [/Infinity is not accepted/],
  },
  {
    name: 'required that is no boolean',
    text: `${GOOD}parameters: { a: { type: string, required: yes please } }\n`,
    at: [5, 44],
    says: [/expected true or false/],
  },
];

describe('a wrong template', () => {
  it.each(wrong)('is refused for $name', ({ text, at: [line, column], says }) => {
    const result = compileTemplate(text, 'templates/wrong.yaml');
    if (result.ok) throw new Error('accepted');
    for (const sentence of says) {
      expect(result.problems).toContainEqual(
        expect.objectContaining({
          file: 'templates/wrong.yaml',
          line,
          column,
          message: expect.stringMatching(sentence),
        }),
      );
    }
  });

  it('is told everything at once, in the order of the text', () => {
    const result = compileTemplate('name: T\nsteps:\n  - id: A\n    type: x\nmore: 1\n', 'f.yaml');
    expect(result.ok ? [] : result.problems.map(({ path, line }) => [path, line])).toEqual([
      ['name', 1],
      ['steps[0].id', 3],
      ['steps[0].type', 4],
      ['more', 5],
    ]);
  });

  it('is refused for its size, its depth and its aliases, without exhausting anything', () => {
    const refused = (text: string): string => {
      const result = compileTemplate(text, 'f.yaml');
      return result.ok ? 'accepted' : (result.problems[0]?.message ?? '');
    };
    expect(refused(`name: ${'x'.repeat(300_000)}`)).toMatch(/300006 bytes; accepted: up to 262144/);
    expect(refused('['.repeat(200_000))).toMatch(/not readable as YAML/);
    expect(refused(`${GOOD}    with: { echo: ${'['.repeat(30)}${']'.repeat(30)} }`)).toMatch(
      /nested too deeply/,
    );
    const laughs = Array.from(
      { length: 9 },
      (_, n) => `a${n}: &a${n} [${`*a${n - 1}, `.repeat(n === 0 ? 0 : 9)}]`,
    );
    expect(refused(laughs.join('\n'))).toMatch(/too many values|Excessive alias count/);
    const long = `a: &a ${'x'.repeat(200_000)}\nb: [*a, *a, *a, *a]\n`;
    expect(refused(long)).toMatch(/too much text; accepted: up to 614400 characters/);
    const many = Array.from({ length: 20_000 }, (_, n) => `k${n}: 1`).join('\n');
    expect(refused(many)).toMatch(/too many values; accepted: up to 20000/);
  });
});

describe('a compiled template', () => {
  it('is plain JSON and has the same version wherever it is compiled, whatever the layout', () => {
    const one = compiled('name: t\nsteps:\n  - id: a\n    type: noop\n');
    const other = compiled('{ "steps": [{ "type": "noop", "id": "a" }], "name": "t" }');
    expect(JSON.parse(JSON.stringify(one))).toEqual(one);
    expect(other).toEqual(one);
    expect(one.version).toMatch(/^[0-9a-f]{16}$/);
    expect(
      compiled('name: t\nsteps:\n  - id: a\n    type: noop\n    needs: []\n    with: { echo: 1 }\n').version,
    ).not.toBe(one.version);
  });

  it('has steps in sequence unless they say otherwise, and retries', () => {
    const { steps } = compiled(
      'name: t\nsteps:\n  - { id: a, type: noop }\n  - { id: b, type: noop }\n  - { id: c, type: noop, needs: [a], retry: { attempts_max: 1 } }\n',
    );
    expect(steps.map(({ needs }) => needs)).toEqual([[], ['a'], ['a']]);
    expect(steps.map(({ retry }) => retry.attempts_max)).toEqual([3, 3, 1]);
  });
});

describe('a step that may be left out or fail', () => {
  const steps = (more: string) => compiled(`parameters: { p: { type: any } }\n${GOOD}${more}`).steps;

  it('says so in the compiled template, and one that may not says nothing of it', () => {
    expect(steps("    when: '{{ parameters.p }}'\n    on_failure: continue\n")[0]).toMatchObject({
      when: '{{ parameters.p }}',
      on_failure: 'continue',
    });
    expect(steps('    timeout: 10m\n    no_progress: 1.5 m\n')[0]).toMatchObject({
      timeout: '10m',
      no_progress: '1.5 m',
    });
    const [plain] = steps('    on_failure: fail\n');
    expect(Object.keys(plain ?? {})).toEqual(['id', 'type', 'needs', 'retry', 'with']);
  });
});

describe('the shipped templates', () => {
  it.each(readdirSync('templates').filter((file) => file.endsWith('.yaml')))('%s is right', (file) => {
    const result = compileTemplate(readFileSync(`templates/${file}`, 'utf8'), file);
    expect(result.ok ? [] : result.problems).toEqual([]);
    expect(result.ok && `${result.template.name}.yaml`).toBe(file);
  });
});
