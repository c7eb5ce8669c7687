import type { SecretUse, StepSecrets } from '#libs/domain/task/step-secrets.js';
import type { OpenTask } from '#libs/domain/task/task.js';
import type { CompiledTemplate } from '#libs/template/compiled-template.js';
import { preparedTemplate } from '#libs/template/prepared-template.js';

/** What a dispatch says of secrets; nothing where its template refers to none. */
export const secretsFor = (
  { workspace }: OpenTask,
  template: CompiledTemplate,
  uses: readonly SecretUse[],
): { readonly secrets?: StepSecrets } => {
  const { secrets: all } = preparedTemplate(template);
  return all.length === 0 ? {} : { secrets: { workspace, template: template.name, uses, all } };
};
