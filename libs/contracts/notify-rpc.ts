import type { Failure } from '#libs/domain/errors.js';
import type { TaskId } from '#libs/domain/ids.js';
import type { Delivery, DeliveryCause } from '#libs/domain/notify/delivery.js';

/** A step hands over a message. The same step again finds its first one. */
export type NotifyRequest = {
  readonly taskId: TaskId;
  readonly stepId: string;
  readonly channel: string;
  readonly title: string;
  readonly text: string;
  readonly link?: string;
  /** Answer when the delivery is over, or after this long. */
  readonly waitMs: number;
};

export type NotifyReply =
  | { readonly ok: true; readonly delivery: DeliverySummary }
  | { readonly ok: false; readonly failure: Failure };

/** A delivery without its message, which may be long. */
export type DeliverySummary = Omit<Delivery, 'message' | 'tries' | 'round'> & {
  readonly title: string;
  readonly lastTry: Delivery['tries'][number] | null;
};

export type DeliveryFilter = {
  readonly status?: readonly Delivery['status'][];
  readonly channel?: string;
  readonly taskId?: TaskId;
  readonly cause?: DeliveryCause['kind'];
};

/** Newest first; `after` is `next` of an earlier page. */
export type DeliveriesRequest = DeliveryFilter & { readonly limit: number; readonly after?: string };

export type DeliveriesReply =
  | { readonly ok: true; readonly items: readonly DeliverySummary[]; readonly next: string | null }
  | { readonly ok: false; readonly failure: Failure };

export type DeliveryRequest = { readonly id: string };

export type DeliveryReply =
  | { readonly ok: true; readonly delivery: Delivery }
  | { readonly ok: false; readonly failure: Failure };

export type TestChannelRequest = { readonly channel: string };

export type ChannelsReply = {
  readonly items: readonly ChannelView[];
  /** What is wrong with the file; the last good one holds. */
  readonly problems: readonly string[];
};

export type ChannelView = {
  readonly name: string;
  readonly type: string;
  /** Rules that name it. */
  readonly rules: number;
  /** Messages that have not ended. */
  readonly waiting: number;
};
