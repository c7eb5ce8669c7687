/** NATS wildcards: `*` stands for one token, `>` at the end for one or more. */
const subjectMatches = (filter: string, subject: string): boolean => {
  const wanted = filter.split('.');
  const tokens = subject.split('.');
  for (const [place, token] of wanted.entries()) {
    if (token === '>') return tokens.length > place;
    if (tokens[place] === undefined || (token !== '*' && token !== tokens[place])) return false;
  }
  return tokens.length === wanted.length;
};

export const matchesAny = (filters: readonly string[], subject: string): boolean =>
  filters.some((filter) => subjectMatches(filter, subject));
