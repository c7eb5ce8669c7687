import { describe, expect, it } from '@jest/globals';
import { compileTemplate } from './compile-template.js';
import type { CompiledTemplate } from './compiled-template.js';
import { templateDiff } from './template-diff.js';

const compiled = (text: string): CompiledTemplate => {
  const result = compileTemplate(text, 't.yaml');
  if (!result.ok) throw new Error(JSON.stringify(result.problems));
  return result.template;
};

const ONE = `
name: t
parameters: { x: { type: string, default: a } }
steps:
  - { id: first, type: noop, with: { echo: '{{ parameters.x }}' } }
  - { id: last, type: noop, needs: [first] }
`;

const OTHER = `
name: t
description: New
parameters: { x: { type: string, default: b } }
steps:
  - { id: first, type: noop, with: { echo: '{{ parameters.x }}' } }
  - { id: between, type: noop }
  - { id: last, type: noop, needs: [first], timeout: 5m }
output: '{{ steps.between.output }}'
`;

describe('what differs between two versions', () => {
  it('is nothing of the same one, however it is written', () => {
    expect(templateDiff(compiled(ONE), compiled(ONE.replace('default: a', 'default: "a"')))).toEqual([]);
  });

  it('is told at the place where it stands, steps by their ids', () => {
    expect(templateDiff(compiled(ONE), compiled(OTHER))).toEqual([
      { path: 'description', kind: 'changed', before: '', after: 'New' },
      { path: 'parameters.x.default', kind: 'changed', before: 'a', after: 'b' },
      { path: 'steps.last.timeout', kind: 'added', after: '5m' },
      { path: 'steps.between', kind: 'added', after: expect.objectContaining({ type: 'noop' }) },
      { path: 'output', kind: 'added', after: '{{ steps.between.output }}' },
      { path: 'order', kind: 'changed', before: ['first', 'last'], after: ['first', 'between', 'last'] },
    ]);
    expect(templateDiff(compiled(OTHER), compiled(ONE)).map(({ path, kind }) => [path, kind])).toContainEqual(
      ['steps.between', 'removed'],
    );
  });
});
