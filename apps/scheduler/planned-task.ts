import type { PlannedTask } from '#libs/domain/schedule/fire-schedule.js';
import type { ScheduledTask } from '#libs/domain/schedule/schedule.js';
import { templateKey, type TaskBook } from '#libs/domain/task/task-book.js';
import type { CompiledTemplate } from '#libs/template/compiled-template.js';
import { planSteps } from '#libs/template/plan-steps.js';
import { validateParameters } from '#libs/template/validate-parameters.js';

/** What a schedule or a step submits, checked and planned as the gateway does it for a client: by its own version of the template, or by the latest. */
export const plannedTask = (
  {
    template: { name, version },
    parameters,
    numCtx,
  }: Pick<ScheduledTask, 'template' | 'parameters' | 'numCtx'>,
  { templates, latestVersions }: Pick<TaskBook, 'templates' | 'latestVersions'>,
): PlannedTask => {
  const ref = { name, version: version ?? latestVersions.get(name) ?? '' };
  const template = templates.get(templateKey(ref)) as CompiledTemplate | undefined;
  if (template === undefined) {
    const message = `Template ${name}${version === undefined ? '' : `@${version}`} is not known here.`;
    return { ok: false, failure: { code: 'TEMPLATE_UNKNOWN', message } };
  }
  const checked = validateParameters(template, parameters);
  if (!checked.ok) {
    const said = checked.problems.map(({ path, message }) => `${path}: ${message}`).join('; ');
    const message = `${said} (template ${templateKey(ref)})`;
    return { ok: false, failure: { code: 'PARAMETERS_INVALID', message } };
  }
  const planned = planSteps(template, checked.parameters, { numCtx });
  return planned.ok
    ? { ok: true, template: ref, parameters: checked.parameters, steps: planned.steps }
    : planned;
};
