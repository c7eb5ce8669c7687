import { VARIABLES_FD } from './contained-process.js';

/**
 * Reads variables from a pipe and becomes the program. What is given to `env` stands in the command line of the sandbox, which every user
 * of the machine can list; this does not.
 */
export const withVariables = (program: readonly string[]): readonly string[] => [
  '/bin/sh',
  '-c',
  `eval "$(/bin/cat <&${VARIABLES_FD})"; exec ${VARIABLES_FD}<&-; exec "$@"`,
  'sh',
  ...program,
];

/** As a shell reads them; names are those of variables, which the schema of the step has seen to. */
export const exportsOf = (variables: Readonly<Record<string, string>>): string =>
  Object.entries(variables)
    .map(([name, value]) => `export ${name}='${value.replaceAll("'", `'\\''`)}'\n`)
    .join('');
