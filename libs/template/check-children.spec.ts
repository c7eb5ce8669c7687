import { describe, expect, it } from '@jest/globals';
import { childProblems } from './check-children.js';
import { compileTemplate } from './compile-template.js';

const CHILD = `
name: summarize
parameters:
  text: { type: string, required: true }
  sentences: { type: integer, default: 3, maximum: 9 }
steps:
  - { id: a, type: noop, with: { echo: '{{ parameters.text }}{{ parameters.sentences }}' } }
`;
const textOf = (text: string, file: string) => {
  const compiled = compileTemplate(text, file);
  if (!compiled.ok) throw new Error(JSON.stringify(compiled.problems));
  return { template: compiled.template, text, file };
};
const parent = (given: string): string =>
  `name: parent\nsteps:\n  - { id: a, type: noop }\n  - id: b\n    type: task\n    with: { template: summarize${given} }\n`;
const said = (given: string): readonly string[] =>
  [...childProblems([textOf(parent(given), 'p.yaml'), textOf(CHILD, 'c.yaml')]).values()]
    .flat()
    .map(({ line, column, message }) => `${line}:${column} ${message}`);

describe('what a step submits', () => {
  it.each([
    [", parameters: { text: '{{ steps.a.output }}', sentences: 2 }"],
    [', parameters: { text: a }'],
    ['@3, parameters: { nothing: 1 }'],
  ])('is right: %s', (given) => expect(said(given)).toEqual([]));

  it.each([
    [
      '',
      "steps[1].with.parameters: 'text' is missing, which template 'summarize' needs; accepted: text, sentences",
    ],
    [
      ', parameters: { text: a, sentence: 2 }',
      "steps[1].with.parameters.sentence: template 'summarize' has no such parameter (did you mean 'sentences'?); accepted: text, sentences",
    ],
    [
      ', parameters: { text: a, sentences: 12 }',
      'steps[1].with.parameters.sentences: 12 is not accepted; expected a whole number of at most 9',
    ],
  ])('is wrong, with its place: %s', (given, problem) => {
    expect(said(given).map((line) => line.replace(/^6:\d+ /, ''))).toEqual([problem]);
  });
});
