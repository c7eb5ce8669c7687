import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { compileTemplate } from './compile-template.js';

const FOLDER = 'test/fixtures/wrong-templates';

/** What a sentence about a mistake ends with: what would be right. */
const SAYS_WHAT_IS_RIGHT = /accepted|expected|is enough|are unique|one of the two/;

/** Each file begins with what is expected of it: `# expect: line:column beginning of the sentence`. */
const expected = (text: string): readonly string[] =>
  [...text.matchAll(/^# expect: (.*)$/gm)].map(([, sentence = '']) => sentence);

const files = readdirSync(FOLDER);

describe('a template with a mistake that people make', () => {
  it('is one of at least fifty', () => expect(files.length).toBeGreaterThanOrEqual(50));

  it.each(files)('is refused: %s', (file) => {
    const text = readFileSync(`${FOLDER}/${file}`, 'utf8');
    const compiled = compileTemplate(text, file);
    const found = (compiled.ok ? [] : compiled.problems).map((problem) => {
      expect(problem.file).toBe(file);
      expect(problem.message).toMatch(SAYS_WHAT_IS_RIGHT);
      return `${problem.line}:${problem.column} ${problem.message}`;
    });
    const sentences = expected(text);
    expect(sentences.length).toBeGreaterThan(0);
    // The longer lists of what is accepted grow with what is built; their beginnings are enough.
    expect(found.map((said, n) => said.slice(0, sentences[n]?.length))).toEqual(sentences);
  });
});

describe('a template with thousands of mistakes', () => {
  const long = 'long_name_that_is_nearly_the_same_as_all_the_others_here_';
  const ids = Array.from({ length: 100 }, (_, n) => `${long}${n}`);
  const steps = ids.map((id) => `  - { id: ${id}, type: noop, needs: [] }\n`).join('');
  const needs = Array.from({ length: 4_000 }, (_, n) => `${long}x${n}`.slice(0, 63)).join(', ');
  const reads = Array.from({ length: 3_000 }, (_, n) => `{{ steps.${long}y${n}.output }}`).join('');

  it.each([
    ['unknown names', `name: t\nsteps:\n${steps}  - { id: last, type: noop, needs: [${needs}] }\n`],
    [
      'unknown references',
      `name: t\nsteps:\n${steps}  - { id: last, type: noop, with: { echo: '${reads}' } }\n`,
    ],
    ['unknown keys', `name: t\n${Array.from({ length: 15_000 }, (_, n) => `stepz${n}: 1\n`).join('')}`],
    ['errors of YAML', 'a: [b\n'.repeat(900)],
  ])('is told the first fifty of its %s', (_, text) => {
    const compiled = compileTemplate(text, 't.yaml');
    expect(compiled.ok ? 0 : compiled.problems.length).toBeGreaterThan(0);
    expect(compiled.ok ? 0 : compiled.problems.length).toBeLessThanOrEqual(50);
  });
});

describe('the shipped templates', () => {
  it.each(readdirSync('templates').filter((file) => file.endsWith('.yaml')))('%s has no findings', (file) => {
    const compiled = compileTemplate(readFileSync(`templates/${file}`, 'utf8'), file);
    expect(compiled.ok ? compiled.warnings : compiled.problems).toEqual([]);
  });
});
