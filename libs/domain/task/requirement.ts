import { profileKey, type ModelProfile } from '../gpu/profile.js';

/** What a step needs to run: a CPU slot, or a slot of a model that is loaded with exactly this profile. */
export type Requirement =
  | { readonly kind: 'cpu' }
  | { readonly kind: 'model'; readonly profile: ModelProfile };

/** Steps with equal keys compete for the same slots and can be batched. */
export const requirementKey = (requirement: Requirement): string =>
  requirement.kind === 'cpu' ? 'cpu' : profileKey(requirement.profile);

/** A requirement by its key alone: what estimates are kept by. */
export type Need = { readonly key: string; readonly kind: Requirement['kind'] };

export const needOf = (requirement: Requirement): Need => ({
  key: requirementKey(requirement),
  kind: requirement.kind,
});
