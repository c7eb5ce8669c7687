/** A caller that does not look at this one must not end the process; whoever looks still sees the rejection. */
export const handled = <T>(promise: Promise<T>): Promise<T> => {
  promise.catch(() => undefined);
  return promise;
};
