import { describe, expect, it } from '@jest/globals';
import { compileTemplate } from '#libs/template/compile-template.js';
import { dryRun } from '#libs/template/dry-run.js';
import { createOutput } from '../output.js';
import { diffLines, dryRunLines, templateLines, valueText, versionLines } from './template-text.js';

const sink = { write: () => true, isTTY: false };
const out = createOutput(false, { stdout: sink, stderr: sink }, {});

const TEXT = `
name: report
description: Two pages, one report.
parameters:
  url: { type: string, required: true, description: Where it is }
  fast: { type: boolean, default: true }
steps:
  - { id: left, type: http_request, needs: [], with: { url: '{{ parameters.url }}' } }
  - { id: right, type: http_request, needs: [], timeout: 5m, with: { url: '{{ parameters.url }}' } }
  - id: sum
    type: ollama_generate
    needs: [left, right]
    when: '{{ parameters.fast }}'
    on_failure: continue
    with: { model: 'llama3.2:3b', prompt: 'Sum up {{ steps.left.output.text }}' }
output: '{{ steps.sum.output.text }}'
`;

const compiled = compileTemplate(TEXT, 'report.yaml');
if (!compiled.ok) throw new Error(JSON.stringify(compiled.problems));
const { template } = compiled;

describe('a template for people', () => {
  it('is its parameters and steps in columns', () => {
    expect(templateLines(template, out)).toEqual([
      `report  ${template.version}`,
      '  Two pages, one report.',
      'parameters',
      '  url   string   required      Where it is',
      '  fast  boolean  default true',
      'steps',
      '  left   http_request',
      '  right  http_request',
      '  sum    ollama_generate  after left, right  when {{ parameters.fast }}',
      'output',
      '  "{{ steps.sum.output.text }}"',
    ]);
  });

  it('is a graph by stages, with what is known filled in', () => {
    const outcome = dryRun(template, { url: 'https://x.org' }, { numCtx: 4096 });
    if (!outcome.ok) throw new Error(outcome.failure.message);
    expect(dryRunLines(outcome.run, out)).toEqual([
      `report  ${template.version}`,
      '  url: "https://x.org"',
      '  fast: true',
      '',
      '  1 ┬─ left  http_request  CPU slot',
      '    │     url: "https://x.org"',
      '    └─ right  http_request  CPU slot  at most 5m',
      '          url: "https://x.org"',
      '  2 ── sum  ollama_generate  llama3.2:3b num_ctx=4096  after left, right  may fail',
      '          when {{ parameters.fast }} (holds)',
      '          model: "llama3.2:3b"',
      '          prompt: "Sum up {{ steps.left.output.text }}"',
      'result: "{{ steps.sum.output.text }}"',
    ]);
  });
});

describe('a step for each of a list, and one that waits', () => {
  const source = `
name: ask
parameters: { urls: { type: array, required: true } }
steps:
  - { id: pages, type: noop, foreach: '{{ parameters.urls }}', concurrency: 2, with: { echo: '{{ item }}' } }
  - { id: again, type: noop, foreach: '{{ steps.pages.output.items }}' }
  - { id: ask, type: delay, with: { for: 10m } }
`;
  const asking = compileTemplate(source, 'ask.yaml');
  if (!asking.ok) throw new Error(JSON.stringify(asking.problems));

  it('say so in the template and in its graph', () => {
    expect(templateLines(asking.template, out)).toEqual(
      expect.arrayContaining([
        '  pages  noop                for each of "{{ parameters.urls }}"',
        '  ask    delay  after again',
      ]),
    );
    const outcome = dryRun(asking.template, { urls: ['a', 'b'] }, { numCtx: 4096 });
    if (!outcome.ok) throw new Error(outcome.failure.message);
    expect(dryRunLines(outcome.run, out)).toEqual(
      expect.arrayContaining([
        '  1 ── pages  noop  CPU slot  for each of 2, 2 at once',
        '  2 ── again  noop  CPU slot  for each of a list, 8 at once  after pages',
        '  3 ── ask  delay  waits  after again',
      ]),
    );
  });
});

describe('versions for people', () => {
  it('are a line each, and what differs is a line for before and after', () => {
    const at = '2026-11-26T08:00:00.000Z';
    expect(
      versionLines([
        { number: 12, version: 'b'.repeat(16), registered_at: at, current: true },
        { number: 2, version: 'a'.repeat(16), registered_at: at, current: false },
      ]),
    ).toEqual([`@12  ${'b'.repeat(16)}  ${at}  current`, `@2   ${'a'.repeat(16)}  ${at}`]);
    expect(
      diffLines(
        [
          { path: 'description', kind: 'changed', before: 'a', after: 'b' },
          { path: 'steps.x', kind: 'removed', before: { type: 'noop' } },
          { path: 'output', kind: 'added', after: 1 },
        ],
        out,
      ),
    ).toEqual([
      'description changed',
      '  - "a"',
      '  + "b"',
      'steps.x removed',
      '  - {"type":"noop"}',
      'output added',
      '  + 1',
    ]);
  });

  it('are cut to a line', () => {
    expect(valueText('x'.repeat(500))).toHaveLength(96);
    expect(valueText(undefined)).toBe('nothing');
  });
});
