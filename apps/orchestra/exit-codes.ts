/** What the process says to a script when it ends. In the README and in `orchestra --help`. */
export const EXIT = {
  ok: 0,
  failed: 1,
  usage: 2,
  notFound: 3,
  refused: 4,
  unreachable: 5,
  taskFailed: 6,
  taskCancelled: 7,
  notStarted: 8,
  unsound: 9,
  interrupted: 130,
} as const;

export const EXIT_MEANINGS: Readonly<Record<keyof typeof EXIT, string>> = {
  ok: 'done',
  failed: 'something went wrong here or in the platform',
  usage: 'the command line is not right',
  notFound: 'no such task, workflow, template or server',
  refused: 'the platform refused the request',
  unreachable: 'the platform does not answer, or is not ready',
  taskFailed: 'the task or workflow that was waited for has failed',
  taskCancelled: 'the task or workflow that was waited for was cancelled',
  notStarted: 'the platform could not be started; what was started is stopped again',
  unsound: 'the log breaks what the platform promises of it',
  interrupted: 'ended by Ctrl-C',
};

/** Ends the command with this code and this sentence on stderr. */
export class CommandError extends Error {
  override readonly name = 'CommandError';

  constructor(
    readonly exitCode: number,
    message: string,
  ) {
    super(message);
  }
}
