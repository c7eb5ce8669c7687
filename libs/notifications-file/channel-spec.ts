import type { DeliveryRetry } from '#libs/domain/notify/delivery.js';
import type { NotificationRule } from '#libs/domain/notify/notification-rule.js';

/** Where a secret is looked up when it is needed; the file itself holds none. */
export type SecretSource =
  | { readonly kind: 'env'; readonly name: string }
  | { readonly kind: 'file'; readonly path: string };

type EveryChannel = {
  /** Whether the host of the channel may be at an address that is not on the public internet. */
  readonly allowPrivate: boolean;
  /** For one try, from looking up the name to the end of the answer. */
  readonly timeoutMs: number;
  /** Tries under way at once. */
  readonly atOnceMax: number;
};

/** A place that messages are sent to. */
export type ChannelSpec = EveryChannel &
  (
    | { readonly type: 'webhook'; readonly url: string; readonly secret: SecretSource }
    | {
        readonly type: 'email';
        readonly host: string;
        readonly port: number;
        readonly tls: 'none' | 'starttls' | 'tls';
        readonly user: string | null;
        readonly secret: SecretSource | null;
        readonly from: string;
        readonly to: readonly string[];
      }
    | {
        readonly type: 'ntfy';
        readonly url: string;
        readonly topic: string;
        readonly priority: number | null;
        readonly secret: SecretSource | null;
      }
    /** The secret is the whole address, because who knows it may write. */
    | { readonly type: 'slack'; readonly secret: SecretSource }
  );

export type NotificationSettings = {
  readonly channels: ReadonlyMap<string, ChannelSpec>;
  readonly rules: readonly NotificationRule[];
  readonly retry: DeliveryRetry;
  /** Where people reach the API, without a slash at its end; null: messages have no link of the platform's own. */
  readonly publicUrl: string | null;
};

/** Seven tries in the first ten minutes, then one an hour for a day: a receiver may be down over night. */
export const RETRY_DEFAULT: DeliveryRetry = { firstMs: 10_000, longestMs: 3_600_000, forMs: 86_400_000 };

export const NO_NOTIFICATIONS: NotificationSettings = {
  channels: new Map(),
  rules: [],
  retry: RETRY_DEFAULT,
  publicUrl: null,
};
