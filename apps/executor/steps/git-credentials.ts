/** Sent to the host of the repository, as `Authorization: Basic`. Hosts that take tokens take any user name. */
export type GitCredentials = { readonly username?: string; readonly password: string };

/** Variables by which git learns of them for this one URL: in no file, and in no list of processes. */
export const credentialVariables = (
  url: string,
  { username = 'git', password }: GitCredentials,
): Readonly<Record<string, string>> => ({
  GIT_CONFIG_COUNT: '1',
  GIT_CONFIG_KEY_0: `http.${url}.extraHeader`,
  GIT_CONFIG_VALUE_0: `Authorization: Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`,
});
