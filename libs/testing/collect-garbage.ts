import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** What is still there afterwards is held by somebody. */
export const collectGarbage = (): void => {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
};
