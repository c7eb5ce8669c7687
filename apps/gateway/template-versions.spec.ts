import 'reflect-metadata';
import { describe, expect, it } from '@jest/globals';
import { STREAMS } from '#libs/contracts/streams.js';
import { MemoryEventLog } from '#libs/event-log/memory.event-log.js';
import { compileTemplate } from '#libs/template/compile-template.js';
import type { CompiledTemplate } from '#libs/template/compiled-template.js';
import { NOW } from '#libs/testing/builders.js';
import { FactLog } from '#libs/testing/fact-log.js';
import { partsOf, TEMPLATE_REF } from './template-ref.js';
import { TemplateFinder } from './template-finder.js';
import { TemplateShelf } from './template-shelf.js';
import { TemplateVersions } from './template-versions.js';

const compiled = (name: string, echo: number): CompiledTemplate => {
  const text = `name: ${name}\nsteps:\n  - { id: a, type: noop, with: { echo: ${echo} } }\n`;
  const result = compileTemplate(text, `${name}.yaml`);
  if (!result.ok) throw new Error('no template');
  return result.template;
};

const registered = (definition: CompiledTemplate) => {
  const { name, version } = definition;
  return { type: 'template.registered', template: { name, version }, definition, at: NOW };
};

const [ONE, TWO, THREE] = [1, 2, 3].map((echo) => compiled('greet', echo)) as [
  CompiledTemplate,
  CompiledTemplate,
  CompiledTemplate,
];

const shelfOf = (...templates: readonly CompiledTemplate[]): TemplateShelf =>
  new TemplateShelf({
    get: (name) => templates.find((template) => template.name === name),
    list: () => templates,
    problems: () => [],
    warnings: () => [],
  });

const logOf = async (...templates: readonly CompiledTemplate[]) => {
  const log = new MemoryEventLog(STREAMS.tasks.name);
  const facts = await FactLog.start(log);
  if (templates.length > 0) await facts.append(...templates.map(registered));
  return { log, facts, versions: new TemplateVersions(log) };
};

const numbers = async (versions: TemplateVersions, name = 'greet') =>
  (await versions.list(name)).map(({ number, version }) => [number, version]);

describe('the versions of a template', () => {
  it('are counted by name as they became known, and one that comes back keeps its number', async () => {
    const { versions } = await logOf(ONE, compiled('other', 1), TWO, ONE, THREE);
    expect(await numbers(versions)).toEqual([
      [1, ONE.version],
      [2, TWO.version],
      [3, THREE.version],
    ]);
    expect(await numbers(versions, 'other')).toHaveLength(1);
    expect(await numbers(versions, 'nothing')).toEqual([]);
  });

  it('are found by number and hash, with the definition that the log has', async () => {
    const { versions } = await logOf(ONE, TWO);
    const found = await versions.find('greet', '1');
    expect(found?.version).toBe(ONE.version);
    expect(found && (await versions.definition(found))).toEqual(ONE);
    expect(await versions.find('greet', TWO.version)).toMatchObject({ number: 2 });
    expect(await versions.find('greet', '3')).toBeNull();
  });

  it('are read on when one is asked for that came since, by many at once too', async () => {
    const { facts, versions } = await logOf(ONE);
    expect(await numbers(versions)).toHaveLength(1);
    await facts.append(registered(TWO));
    const found = await Promise.all(
      ['2', TWO.version, '2', '4'].map((selector) => versions.find('greet', selector)),
    );
    expect(found.map((version) => version?.number ?? null)).toEqual([2, 2, 2, null]);
  });

  it('are those of the log that is there, when it is another one', async () => {
    const { log, versions } = await logOf(ONE, TWO, THREE);
    expect(await numbers(versions)).toHaveLength(3);
    log.stored.length = 0;
    const facts = await FactLog.start(log, 'log-2');
    await facts.append(registered(THREE));
    expect(await numbers(versions)).toEqual([[1, THREE.version]]);
  });

  it('are kept up to a thousand of a name, and the count goes on', async () => {
    const many = Array.from({ length: 1_002 }, (_, n) => compiled('greet', n + 10));
    const { versions } = await logOf(...many);
    const found = await numbers(versions);
    expect([found.length, found[0]?.[0], found.at(-1)?.[0]]).toEqual([1_000, 3, 1_002]);
  });
});

describe('what a request calls a template', () => {
  it('is what the folder has now, or any version that the log has', async () => {
    const { versions } = await logOf(ONE, TWO);
    const finder = new TemplateFinder(shelfOf(TWO), versions);
    const found = async (ref: string) => {
      const { template, isCurrent } = await finder.find(ref);
      return [template.version, isCurrent];
    };
    expect(await found('greet')).toEqual([TWO.version, true]);
    expect(await found('greet@latest')).toEqual([TWO.version, true]);
    expect(await found('greet@2')).toEqual([TWO.version, true]);
    expect(await found('greet@1')).toEqual([ONE.version, false]);
    expect(await found(`greet@${ONE.version}`)).toEqual([ONE.version, false]);
  });

  it('is found without its file, and without a log where the folder has it', async () => {
    const { versions } = await logOf(ONE);
    const gone = new TemplateFinder(shelfOf(), versions);
    expect((await gone.find('greet@1')).template).toEqual(ONE);
    await expect(gone.find('greet')).rejects.toThrow(/no template 'greet'/);
    expect(await gone.list('greet')).toMatchObject([{ number: 1, isCurrent: false }]);
    const fresh = new TemplateFinder(shelfOf(TWO), (await logOf()).versions);
    expect((await fresh.find(`greet@${TWO.version}`)).isCurrent).toBe(true);
  });

  it('is refused with what there is', async () => {
    const { versions } = await logOf(ONE, TWO);
    const finder = new TemplateFinder(shelfOf(TWO), versions);
    await expect(finder.find('greet@7')).rejects.toThrow(
      `There is no version '7' of template 'greet'; accepted: 1 (${ONE.version}), 2 (${TWO.version}).`,
    );
    await expect(finder.find('great@7')).rejects.toThrow(/no template 'great'; accepted: greet/);
    await expect(finder.find('greet@@')).rejects.toThrow(/no template 'greet@@'/);
    const lookUp = await finder.all(['greet@1', 'greet@7', 'greet@1']);
    expect(lookUp('greet@1').template).toEqual(ONE);
    expect(() => lookUp('greet@7')).toThrow(/no version '7'/);
  });

  it.each(['greet', 'greet@latest', 'greet@12', 'a@0123456789abcdef'])('%s is one', (ref) => {
    expect(ref).toMatch(TEMPLATE_REF);
    expect(partsOf(ref).name).toBe(ref.split('@')[0]);
  });

  it.each(['Greet', 'greet@', 'greet@0', 'greet@v1', 'greet@1@2', 'greet@0123456789abcde', '@1'])(
    '%s is none',
    (ref) => expect(ref).not.toMatch(TEMPLATE_REF),
  );
});
