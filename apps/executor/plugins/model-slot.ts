import { StepError } from '../step-error.js';
import type { PluginPart, StepContext } from '../step-runner.js';

type Held = { readonly requirement: StepContext['requirement']; readonly plugin?: PluginPart };

/** The slot that the step holds; throws where the plugin needs one and its template has not asked for it. */
export const modelSlotOf = async (
  { requirement, plugin }: Held,
  needs: 'cpu' | 'model' = 'cpu',
): Promise<{ readonly name: string; readonly url: string } | undefined> => {
  if (requirement.kind === 'model' && plugin)
    return { name: requirement.profile.model, url: await plugin.serverUrl() };
  if (needs === 'model')
    throw new StepError(
      'STEP_INPUT_INVALID',
      `'${plugin?.stepType}' needs a slot of a model, and its step holds a CPU slot; set slot: model and with.model in the template.`,
    );
  return undefined;
};
