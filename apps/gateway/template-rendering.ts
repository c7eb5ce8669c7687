import { dryRun, type DryRun } from '#libs/template/dry-run.js';
import type { Parameters } from '#libs/template/validate-parameters.js';
import { ApiError } from './http/problem.js';
import type { TemplateFinder } from './template-finder.js';

/** Shows what a submission would be, and submits nothing. */
export class TemplateRendering {
  constructor(
    private readonly templates: TemplateFinder,
    private readonly numCtx: number,
  ) {}

  async render(ref: string, parameters: Parameters): Promise<DryRun> {
    const { template } = await this.templates.find(ref);
    const outcome = dryRun(template, parameters, { numCtx: this.numCtx });
    if (outcome.ok) return outcome.run;
    const { failure, problems } = outcome;
    throw problems.length > 0 ? new ApiError(failure.code, failure.message, problems) : ApiError.of(failure);
  }
}
