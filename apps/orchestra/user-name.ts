import { userInfo } from 'node:os';

/** Who runs this. A container may run under a number that has no name. */
export const userName = (): string => {
  try {
    return userInfo().username;
  } catch {
    return 'a client';
  }
};
