import { childRefOf, type ChildRef } from '#libs/template/child-ref.js';
import type { CompiledTemplate } from '#libs/template/compiled-template.js';
import { dryRun, type DryRun } from '#libs/template/dry-run.js';
import type { Parameters } from '#libs/template/validate-parameters.js';
import { ApiError } from './http/problem.js';
import type { TemplateFinder } from './template-finder.js';

/** Templates that are looked up for one answer; what lies behind more is named and not shown. */
const TEMPLATES_MAX = 100;

/** Shows what a submission would be, and submits nothing. */
export class TemplateRendering {
  constructor(
    private readonly templates: TemplateFinder,
    private readonly numCtx: number,
  ) {}

  async render(ref: string, parameters: Parameters): Promise<DryRun> {
    const { template } = await this.templates.find(ref);
    const children = await this.#below(template);
    const childOf = (child: ChildRef) => children.get(refText(child));
    const outcome = dryRun(template, parameters, { numCtx: this.numCtx, childOf });
    if (outcome.ok) return outcome.run;
    const { failure, problems } = outcome;
    throw problems.length > 0 ? new ApiError(failure.code, failure.message, problems) : ApiError.of(failure);
  }

  /** Every template that a step of it submits, directly or through others. Rejects for one that is not there. */
  async #below(template: CompiledTemplate): Promise<ReadonlyMap<string, CompiledTemplate>> {
    const found = new Map<string, CompiledTemplate>();
    const open = [template];
    for (let one = open.pop(); one !== undefined && found.size < TEMPLATES_MAX; one = open.pop())
      for (const step of one.steps) {
        const ref = childRefOf(step);
        if (ref === null || found.has(refText(ref))) continue;
        const child = (await this.templates.find(refText(ref))).template;
        found.set(refText(ref), child);
        open.push(child);
      }
    return found;
  }
}

const refText = ({ template, version }: ChildRef): string =>
  version === undefined ? template : `${template}@${version}`;
