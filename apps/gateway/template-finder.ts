import { childRefOf } from '#libs/template/child-ref.js';
import type { CompiledTemplate } from '#libs/template/compiled-template.js';
import { ApiError, shown } from './http/problem.js';
import { partsOf, TEMPLATE_REF } from './template-ref.js';
import type { TemplateShelf } from './template-shelf.js';
import type { TemplateVersion, TemplateVersions } from './template-versions.js';

export type FoundTemplate = {
  readonly template: CompiledTemplate;
  /** The one that the folder has now, which may not be in the log yet. Another one is, and registering it again would make it the latest. */
  readonly isCurrent: boolean;
};

/** Versions that an error names. */
const VERSIONS_SHOWN_MAX = 10;

/** Finds what a request calls a template: what the folder has now, or any version that the log has. */
export class TemplateFinder {
  constructor(
    private readonly shelf: TemplateShelf,
    private readonly versions: TemplateVersions,
  ) {}

  /** Rejects with `ApiError` for what is not there, and says what is. */
  async find(ref: string): Promise<FoundTemplate> {
    if (!TEMPLATE_REF.test(ref)) return { template: this.shelf.get(ref), isCurrent: true };
    const { name, selector } = partsOf(ref);
    if (selector === null) return { template: this.shelf.get(name), isCurrent: true };
    const current = this.shelf.current(name);
    if (current?.version === selector) return { template: current, isCurrent: true };
    const found = await this.versions.find(name, selector);
    if (found === null) throw await this.#unknown(name, selector);
    if (current?.version === found.version) return { template: current, isCurrent: true };
    return { template: await this.versions.definition(found), isCurrent: false };
  }

  /** What the folder has now of the templates that these submit by their steps, directly or through others. */
  below(templates: readonly CompiledTemplate[]): readonly CompiledTemplate[] {
    const found = new Map<string, CompiledTemplate>();
    const open = [...templates];
    for (let one = open.pop(); one !== undefined; one = open.pop())
      for (const step of one.steps) {
        const ref = childRefOf(step);
        const child =
          ref === null || ref.version !== undefined ? undefined : this.shelf.current(ref.template);
        if (child === undefined || found.has(child.name)) continue;
        found.set(child.name, child);
        open.push(child);
      }
    return [...found.values()];
  }

  /** All templates of a request, each looked up once, and found again by what the request calls them; an unknown one throws there. */
  async all(refs: readonly string[]): Promise<(ref: string) => FoundTemplate> {
    const found = new Map<string, FoundTemplate | ApiError>();
    for (const ref of new Set(refs)) {
      try {
        found.set(ref, await this.find(ref));
      } catch (error) {
        if (!(error instanceof ApiError)) throw error;
        found.set(ref, error);
      }
    }
    return (ref) => {
      const template = found.get(ref);
      if (template === undefined || template instanceof ApiError)
        throw template ?? new Error(`'${ref}' was not looked up`);
      return template;
    };
  }

  /** Newest first. */
  async list(name: string): Promise<readonly (TemplateVersion & { readonly isCurrent: boolean })[]> {
    const current = this.shelf.current(name)?.version;
    const versions = await this.versions.list(name);
    if (versions.length === 0) this.shelf.get(name);
    return versions.toReversed().map((version) => ({ ...version, isCurrent: version.version === current }));
  }

  async #unknown(name: string, selector: string): Promise<ApiError> {
    const versions = await this.versions.list(name);
    // Says that there is no template at all of that name.
    if (versions.length === 0) this.shelf.get(name);
    const newest = versions.slice(-VERSIONS_SHOWN_MAX).map(({ number, version }) => `${number} (${version})`);
    const accepted = newest.join(', ') || 'none yet: the log has no version of it';
    return new ApiError(
      'TEMPLATE_UNKNOWN',
      `There is no version '${String(shown(selector))}' of template '${name}'; accepted: ${accepted}.`,
      [{ path: 'template', value: shown(`${name}@${selector}`), message: 'is not a version', accepted }],
    );
  }
}
