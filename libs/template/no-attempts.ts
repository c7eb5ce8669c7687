import { shown } from './describe-schema.js';
import type { Mapping } from './field-checks.js';
import type { Path, YamlSource } from './yaml-source.js';

/** A step that waits does so once, and makes no attempts; what limits it stands in its input. One that waits for a task may be tried again. */
export const noAttempts = (path: Path, fields: Mapping, source: YamlSource): void => {
  // Its child makes attempts, and another child may follow.
  const makesAttempts = fields['type'] === 'task';
  if (fields['foreach'] !== undefined && !makesAttempts)
    source.problem(
      [...path, 'foreach'],
      `a step of type ${shown(fields['type'])} waits once; accepted: no foreach here`,
    );
  if (makesAttempts && fields['no_progress'] !== undefined)
    source.problem(
      [...path, 'no_progress'],
      'its task makes the progress; accepted: no no_progress here, and timeout for how long the task may take',
    );
  for (const name of makesAttempts ? [] : ['retry', 'timeout', 'no_progress'])
    if (fields[name] !== undefined)
      source.problem(
        [...path, name],
        `a step of type ${shown(fields['type'])} waits and makes no attempts; accepted: no ${name} here, and for how long it waits under with`,
      );
};
