import { columns } from '../output.js';

/** A notification as the API lists it, as far as it is shown. */
export type DeliveryAnswer = {
  readonly id: string;
  readonly status: 'pending' | 'delivered' | 'failed';
  readonly channel: string;
  readonly title: string;
  readonly created_at: string;
  readonly attempts: number;
  readonly last_try: { readonly status: number | null; readonly error: string | null } | null;
  readonly next_attempt_at: string | null;
};

export type Channels = {
  readonly items: readonly {
    readonly name: string;
    readonly type: string;
    readonly rules: number;
    readonly waiting: number;
  }[];
  readonly problems: readonly string[];
};

export const deliveryLines = (items: readonly DeliveryAnswer[]): readonly string[] =>
  items.length === 0
    ? ['there are no notifications']
    : columns([
        ['ID', 'CREATED', 'CHANNEL', 'STATUS', 'TRIES', 'TITLE', 'LAST ANSWER'],
        ...items.map((item) => [
          item.id,
          item.created_at,
          item.channel,
          item.status,
          String(item.attempts),
          oneLine(item.title),
          answerOf(item),
        ]),
      ]);

export const deliveryLine = (item: DeliveryAnswer): string => {
  const answer = answerOf(item);
  return `${item.id} to ${item.channel}: ${item.status}${answer === '' ? '' : ` (${answer})`}`;
};

export const channelLines = ({ items, problems }: Channels): readonly string[] => [
  ...(items.length === 0
    ? ['there are no channels']
    : columns([
        ['CHANNEL', 'TYPE', 'RULES', 'WAITING'],
        ...items.map(({ name, type, rules, waiting }) => [name, type, String(rules), String(waiting)]),
      ])),
  ...problems,
];

const answerOf = ({ last_try: last, next_attempt_at: next }: DeliveryAnswer): string => {
  if (last === null) return '';
  const said = last.error ?? String(last.status ?? 'arrived');
  return oneLine(next === null ? said : `${said}; next try at ${next}`);
};

const oneLine = (text: string): string => text.replaceAll(/\s+/g, ' ').trim();
