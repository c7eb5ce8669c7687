import type { ServerId } from '../ids.js';

/** How many attempts of which models run on a server, by `requirementKey`. Models that work at once share the server's computing. */
export type ModelsAtWork = Map<ServerId, ReadonlyMap<string, number>>;

/** One more attempt, or with `by` -1 one less. */
export const countAttempt = (atWork: ModelsAtWork, serverId: ServerId, key: string, by: 1 | -1): void => {
  const counts = new Map(atWork.get(serverId));
  const count = (counts.get(key) ?? 0) + by;
  if (count > 0) counts.set(key, count);
  else counts.delete(key);
  if (counts.size > 0) atWork.set(serverId, counts);
  else atWork.delete(serverId);
};
