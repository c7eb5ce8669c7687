import { COMMON_SETTINGS, DATA_DIR } from '#libs/runtime/common.settings.js';
import { NUM_CTX_DEFAULT } from '#libs/template/limits.js';
import {
  integer,
  loadSettings,
  optionalText,
  SettingsError,
  text,
  type Loaded,
} from '#libs/runtime/settings.js';

export const GATEWAY_SETTINGS = {
  ...COMMON_SETTINGS,
  host: text({
    env: 'ORCHESTRA_HOST',
    meaning: 'Address the API listens on. Anything but loopback needs ORCHESTRA_API_KEY.',
    fallback: '127.0.0.1',
    pattern: /^[0-9a-zA-Z.:-]{1,253}$/,
    accepts: 'an IP address or a host name',
  }),
  port: integer({
    env: 'ORCHESTRA_PORT',
    meaning: 'Port of the API; 0 takes a free one.',
    fallback: 8000,
    min: 0,
    max: 65_535,
  }),
  apiKey: optionalText({
    env: 'ORCHESTRA_API_KEY',
    meaning: 'Key that every request must carry, as `X-API-Key` or `Authorization: Bearer`.',
    secret: true,
    pattern: /^[\x21-\x7e]{16,512}$/,
    accepts: 'printable characters without spaces, at least 16 of them',
  }),
  dataDir: DATA_DIR,
  publicUrl: optionalText({
    env: 'ORCHESTRA_PUBLIC_URL',
    meaning:
      'Address of the API as people reach it, for links in messages; without it that on which it listens.',
    pattern: /^https?:\/\/[^\s/?#]+(?:\/[^\s?#]*)?$/,
    accepts: 'an address such as https://ai.example',
  }),
  templatesDir: text({
    env: 'ORCHESTRA_TEMPLATES_DIR',
    meaning: 'Folder with the templates. A changed file is picked up while running.',
    fallback: 'templates',
  }),
  numCtx: integer({
    env: 'ORCHESTRA_NUM_CTX',
    meaning: 'Context window of steps that do not say `options.num_ctx`. Larger costs VRAM in every slot.',
    fallback: NUM_CTX_DEFAULT,
    min: 4,
    max: 10_000_000,
    unit: 'tokens',
  }),
  bodyMaxBytes: integer({
    env: 'ORCHESTRA_BODY_MAX_BYTES',
    meaning: "Largest request body. It travels in one message, so the broker's limit of 1 MiB is the end.",
    fallback: 512 * 1024,
    min: 1024,
    max: 900 * 1024,
    unit: 'bytes',
  }),
  streamsMax: integer({
    env: 'ORCHESTRA_STREAMS_MAX',
    meaning: 'Event streams that may be open at once.',
    fallback: 1_000,
    min: 1,
    max: 100_000,
  }),
};

export type GatewayConfig = Loaded<typeof GATEWAY_SETTINGS>;

const LOOPBACK = /^(127(\.\d{1,3}){3}|::1|localhost)$/;

/** Refuses to show the API to others without a key. */
export const loadGatewayConfig = (): GatewayConfig => {
  const config = loadSettings(GATEWAY_SETTINGS, process.env);
  if (config.apiKey === undefined && !LOOPBACK.test(config.host)) {
    throw new SettingsError([
      `ORCHESTRA_HOST: '${config.host}' can be reached from other machines — set ORCHESTRA_API_KEY, or use 127.0.0.1`,
    ]);
  }
  return config;
};
