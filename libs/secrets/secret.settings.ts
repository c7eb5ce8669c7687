import { join, resolve } from 'node:path';
import { KEY_ACCEPTED } from './secret-key.js';
import type { SecretPlaces } from './secret-sources.js';
import { optionalText, text, type Loaded } from '#libs/runtime/settings.js';

export const SECRET_PREFIX_DEFAULT = 'ORCHESTRA_SECRET_';

/** Where secrets for steps are. */
export const SECRET_SETTINGS = {
  secretsFile: optionalText({
    env: 'ORCHESTRA_SECRETS_FILE',
    meaning:
      'File that says which templates and workspaces may use which secrets; default: secrets.yaml in the data folder. Read again for each step.',
  }),
  secretsEnvPrefix: text({
    env: 'ORCHESTRA_SECRETS_ENV_PREFIX',
    meaning:
      'What the variables begin with that are secrets: github_token is ORCHESTRA_SECRET_GITHUB_TOKEN. No other variable is one.',
    fallback: SECRET_PREFIX_DEFAULT,
    pattern: /^[A-Z][A-Z0-9_]{2,62}_$/,
    accepts: 'capitals, digits and _, with _ at the end',
  }),
  secretsDir: optionalText({
    env: 'ORCHESTRA_SECRETS_DIR',
    meaning: 'Folder with a file per secret, named as it, as systemd, Docker and Kubernetes provide them.',
  }),
  secretsKey: optionalText({
    env: 'ORCHESTRA_SECRETS_KEY',
    meaning: 'Key of the store that `orchestra secrets set` writes, instead of the file with it.',
    secret: true,
    pattern: /^[A-Za-z0-9+/]{43}=$/,
    accepts: KEY_ACCEPTED,
  }),
  secretsKeyFile: optionalText({
    env: 'ORCHESTRA_SECRETS_KEY_FILE',
    meaning:
      'File with the key of that store, which only its owner may read; default: secrets/key in the data folder.',
  }),
};

export const secretPlaces = (
  config: Loaded<typeof SECRET_SETTINGS> & { readonly dataDir: string },
  environment: NodeJS.ProcessEnv,
): SecretPlaces => ({
  grantsFile: resolve(config.secretsFile ?? join(config.dataDir, 'secrets.yaml')),
  environment,
  environmentPrefix: config.secretsEnvPrefix,
  folder: config.secretsDir,
  storeFile: resolve(config.dataDir, 'secrets', 'store.json'),
  key: {
    text: config.secretsKey,
    file: resolve(config.secretsKeyFile ?? join(config.dataDir, 'secrets', 'key')),
  },
});
