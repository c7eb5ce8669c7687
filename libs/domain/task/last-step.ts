import type { StepId } from '../ids.js';
import type { StepFailure, StepSuccess } from './events.js';
import type { Waited } from './waiting-events.js';

/** How the step ended with which all of them were over. One of them, and none of the others. */
export type LastStep = OneOf<{
  readonly step: StepSuccess;
  readonly abandoned: StepFailure;
  readonly skipped: StepId;
  readonly empty: StepId;
  readonly waited: Waited;
}>;

type OneOf<All> = {
  [Name in keyof All]: Pick<All, Name> & { readonly [Other in Exclude<keyof All, Name>]?: never };
}[keyof All];
