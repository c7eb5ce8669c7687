/** Which facts become messages, to which channels, and in which words. */
export type NotificationRule = {
  /** Types of events, with `*` for any run of characters: `task.failed`, `step.*`. */
  readonly events: readonly string[];
  /** Names with `*` likewise; absent: every one. */
  readonly workspaces?: readonly string[];
  readonly templates?: readonly string[];
  /** All of them have to be there with these values. */
  readonly labels?: Readonly<Record<string, string>>;
  readonly channels: readonly string[];
  /** Liquid; absent: the platform's own words. */
  readonly title?: string;
  readonly text?: string;
};

/** What a rule asks of the task that a fact is about. */
export type NotifiedTask = {
  readonly id: string;
  readonly workspace: string;
  readonly template: string;
  readonly labels: Readonly<Record<string, string>>;
};

export const fitsType = ({ events }: NotificationRule, type: string): boolean => matchesAny(events, type);

/** A rule that says something about tasks fits no fact that is about none. */
export const fitsTask = (rule: NotificationRule, task: NotifiedTask | null): boolean => {
  const { workspaces, templates, labels = {} } = rule;
  if (task === null)
    return workspaces === undefined && templates === undefined && Object.keys(labels).length === 0;
  return (
    (workspaces === undefined || matchesAny(workspaces, task.workspace)) &&
    (templates === undefined || matchesAny(templates, task.template)) &&
    Object.entries(labels).every(([name, value]) => task.labels[name] === value)
  );
};

/** One message for each channel: that of the first rule that fits. */
export const ruleOfEachChannel = (
  rules: readonly NotificationRule[],
  task: NotifiedTask | null,
): ReadonlyMap<string, NotificationRule> => {
  const found = new Map<string, NotificationRule>();
  for (const rule of rules.filter((candidate) => fitsTask(candidate, task)))
    for (const channel of rule.channels) if (!found.has(channel)) found.set(channel, rule);
  return found;
};

export const matchesAny = (patterns: readonly string[], text: string): boolean =>
  patterns.some((pattern) => matches(pattern, text));

/** Without backtracking: each part is looked for behind the one before it. */
const matches = (pattern: string, text: string): boolean => {
  const [first = '', ...rest] = pattern.split('*');
  const last = rest.pop();
  if (last === undefined) return pattern === text;
  if (!text.startsWith(first)) return false;
  let at = first.length;
  for (const part of rest) {
    const found = text.indexOf(part, at);
    if (found < 0) return false;
    at = found + part.length;
  }
  return text.length - last.length >= at && text.endsWith(last);
};
