import type { CompiledTemplate, TemplateProblem } from '#libs/template/compiled-template.js';
import { ApiError, shown } from './http/problem.js';

/** Templates as they are now: the folder keeps them up to date. */
export type TemplateSource = {
  readonly get: (name: string) => CompiledTemplate | undefined;
  readonly list: () => readonly CompiledTemplate[];
  /** What keeps files from being used; their last good version serves on. */
  readonly problems: () => readonly TemplateProblem[];
  readonly warnings: () => readonly TemplateProblem[];
};

/** Names listed in an error; the rest is in `GET /templates`. */
const NAMES_MAX = 20;

/** Finds templates by name for the API, and says what there is where a name is not known. */
export class TemplateShelf {
  constructor(private readonly source: TemplateSource) {}

  /** What the folder has under that name now. */
  current(name: string): CompiledTemplate | undefined {
    return this.source.get(name);
  }

  get(name: string): CompiledTemplate {
    const template = this.source.get(name);
    if (template) return template;
    const names = this.source.list().map((known) => known.name);
    const accepted = names.slice(0, NAMES_MAX).join(', ') || 'none: the templates folder is empty';
    const broken =
      this.source.problems().length > 0 ? ' Some files have mistakes; see GET /api/v1/templates.' : '';
    throw new ApiError(
      'TEMPLATE_UNKNOWN',
      `There is no template '${String(shown(name))}'; accepted: ${accepted}.${broken}`,
      [{ path: 'template', value: shown(name), message: 'is not a template', accepted }],
    );
  }

  list(): readonly CompiledTemplate[] {
    return this.source.list();
  }

  problems(): readonly TemplateProblem[] {
    return this.source.problems();
  }

  warnings(): readonly TemplateProblem[] {
    return this.source.warnings();
  }
}
