import { describe, expect, it } from '@jest/globals';
import { compileTemplate } from './compile-template.js';
import type { CompiledTemplate } from './compiled-template.js';
import { checkEarly } from './late-parameters.js';
import { planSteps } from './plan-steps.js';
import { preparedTemplate } from './prepared-template.js';
import { renderStep } from './render.js';

/** Goal: secrets are referred to where a step type takes them and nowhere else, and no value can make a reference. */
const template = (step: string, rest = ''): string => `
name: t
parameters: { p: { type: string, default: x }, o: { type: any }, n: { type: integer, default: 7 } }
steps:
  - ${step}
${rest}`;

const compiled = (text: string): CompiledTemplate => {
  const result = compileTemplate(text, 't.yaml');
  if (!result.ok) throw new Error(result.problems.map(({ message }) => message).join('\n'));
  return result.template;
};
const problemsOf = (text: string): string => {
  const result = compileTemplate(text, 't.yaml');
  return result.ok ? '' : result.problems.map(({ path, message }) => `${path}: ${message}`).join('\n');
};
const http = (fields: string): string =>
  template(`{ id: a, type: http_request, with: { url: 'https://h/', ${fields} } }`);

describe('a reference to a secret', () => {
  it.each([
    [
      "headers: { authorization: 'Bearer {{ secrets.token }}' }",
      ['headers', 'authorization'],
      7,
      'Bearer {{ secrets.token }}',
    ],
    ["headers: { x: '{{secrets.token}}' }", ['headers', 'x'], 0, '{{ secrets.token }}'],
    [
      "query: { k: ['a', '{{ parameters.n }}{{ secrets.token }}!'] }",
      ['query', 'k', '1'],
      1,
      '7{{ secrets.token }}!',
    ],
    ["json: { a: [{ b: '{{ secrets.token }}' }] }", ['json', 'a', '0', 'b'], 0, '{{ secrets.token }}'],
  ])('stands in %s', (fields, path, at, text) => {
    const made = compiled(http(fields));
    const rendered = renderStep(made, 'a', { parameters: { p: 'x', n: 7 }, steps: {} });
    if (!rendered.ok) throw new Error(rendered.failure.message);
    expect(rendered.uses).toEqual([{ name: 'token', path, at }]);
    expect(
      path.reduce<unknown>((value, name) => (value as Record<string, unknown>)[name], rendered.input),
    ).toBe(text);
    expect(preparedTemplate(made).secrets).toEqual(['token']);
    expect(planSteps(made, { p: 'x', n: 7 }, { numCtx: 4096 }).ok).toBe(true);
  });

  it('is not made by a parameter, whatever that says', () => {
    const made = compiled(
      http("headers: { a: '{{ parameters.p }} {{ secrets.token }}' }, json: '{{ parameters.o }}'"),
    );
    const parameters = { p: '{{ secrets.other }}', o: { x: '{{ secrets.other }}' }, n: 1 };
    const rendered = renderStep(made, 'a', { parameters, steps: {} });
    expect(rendered).toMatchObject({
      ok: true,
      input: {
        headers: { a: '{{ secrets.other }} {{ secrets.token }}' },
        json: { x: '{{ secrets.other }}' },
      },
      uses: [{ name: 'token', path: ['headers', 'a'], at: 20 }],
    });
  });

  it.each([
    [
      'a prompt',
      template("{ id: a, type: ollama_generate, with: { model: m, prompt: '{{ secrets.token }}' } }"),
      /steps\[0\]\.with\.prompt: secrets\.token: no secret may stand here; accepted: url, headers, query, json, text, form of http_request; env, stdin of execute_script; credentials of git_clone/,
    ],
    [
      'a script',
      template(
        "{ id: a, type: execute_script, with: { interpreter: sh, script: 'echo {{ secrets.token }}' } }",
      ),
      /with\.script: .*accepted: env, stdin of execute_script/,
    ],
    [
      'arguments',
      template(
        "{ id: a, type: execute_script, with: { interpreter: sh, script: x, args: ['{{ secrets.token }}'] } }",
      ),
      /with\.args\[0\]: .*accepted: env, stdin/,
    ],
    [
      'a file',
      template("{ id: a, type: write_file, with: { path: f, text: '{{ secrets.token }}' } }"),
      /with\.text: .*no secret may stand here/,
    ],
    [
      'a condition',
      template("{ id: a, type: noop, when: '{{ secrets.token == 1 }}' }"),
      /when: secrets\.token: no secret may stand here/,
    ],
    [
      'the output',
      template('{ id: a, type: noop }', "output: '{{ secrets.token }}'"),
      /output: secrets\.token: no secret may stand here/,
    ],
    ['a number', http("timeout_ms: '{{ secrets.token }}'"), /with\.timeout_ms: .*accepted: url, headers/],
  ])('is refused in %s, with what is accepted', (_where, text, expected) => {
    expect(problemsOf(text)).toMatch(expected);
  });

  it.each([
    ["'{{ secrets.token | upcase }}'", /taken as it is, without filters and tags/],
    ["'{{ secrets }}'", /taken as it is/],
    ["'{{ secrets[parameters.p] }}'", /taken as it is/],
    ["'{% if secrets.token %}a{% endif %}'", /taken as it is/],
    [
      "'{% if parameters.p %}{{ secrets.token }}{% endif %}'",
      /beside \{\{ secrets\.<name> \}\} a text takes whole/,
    ],
    ["'{% assign x = secrets.token %}{{ x }}'", /taken as it is/],
    ["'{{ secrets.Token }}'", /secrets\.Token: this is no name of a secret; accepted: a lower-case letter/],
  ])('is refused as %s', (value, expected) => {
    expect(problemsOf(http(`headers: { a: ${value} }`))).toMatch(expected);
  });

  it('is nothing that a workflow may say in the parameters of a task', () => {
    const checked = checkEarly(compiled(http('')), { p: '{{ secrets.token }}' }, new Set(['first']));
    expect(checked).toMatchObject({
      ok: false,
      problems: [{ message: expect.stringContaining('there is no such name here') }],
    });
  });

  it('has to be the password of a repository', () => {
    const clone = (credentials: string): string =>
      template(`{ id: a, type: git_clone, with: { repo_url: 'https://h/r', credentials: ${credentials} } }`);
    expect(problemsOf(clone("{ username: me, password: '{{ secrets.token }}' }"))).toBe('');
    for (const bad of [
      '{ password: hunter2-hunter2 }',
      "{ password: '{{ parameters.p }}' }",
      "'{{ parameters.o }}'",
    ])
      expect(problemsOf(clone(bad))).toMatch(
        /would stand in the log for ever; accepted: \{\{ secrets\.<name> \}\} as credentials\.password/,
      );
  });
});
