import type {
  DeliveriesReply,
  DeliveriesRequest,
  DeliveryFilter,
  DeliverySummary,
} from '#libs/contracts/notify-rpc.js';

/** A page of them, newest first. The cursor is a place in the order in which they were made, so it stays valid. */
export const deliveryPage = (
  newestFirst: Iterable<DeliverySummary>,
  { limit, after, ...filter }: DeliveriesRequest,
): DeliveriesReply => {
  const before = after === undefined ? Number.POSITIVE_INFINITY : orderOf(after);
  if (before === null)
    return {
      ok: false,
      failure: {
        code: 'CURSOR_INVALID',
        message: `after '${after?.slice(0, 64)}' is not a cursor of notifications; use 'next' of an earlier page as it was given.`,
        details: { parameter: 'after' },
      },
    };
  const items: DeliverySummary[] = [];
  for (const delivery of newestFirst) {
    if (delivery.order >= before || !fits(delivery, filter)) continue;
    if (items.length === limit) return { ok: true, items, next: cursorOf(items.at(-1)?.order ?? 0) };
    items.push(delivery);
  }
  return { ok: true, items, next: null };
};

const fits = ({ status, channel, task, cause }: DeliverySummary, filter: DeliveryFilter): boolean =>
  (filter.status?.includes(status) ?? true) &&
  (filter.channel ?? channel) === channel &&
  (filter.taskId === undefined || filter.taskId === task?.id) &&
  (filter.cause ?? cause.kind) === cause.kind;

const cursorOf = (order: number): string => Buffer.from(`n${order}`).toString('base64url');

const orderOf = (cursor: string): number | null => {
  const [, order] = /^n(\d{1,15})$/.exec(Buffer.from(cursor, 'base64url').toString()) ?? [];
  return order === undefined ? null : Number(order);
};
