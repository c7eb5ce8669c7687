import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { refusalOf, type AllowEntry } from '#libs/outgoing-http/address-rules.js';
import { hostOf, portOf } from '#libs/outgoing-http/checked-url.js';
import { StepError } from '../step-error.js';
import { quoted } from '../workspace/inside-path.js';

export type GitPolicy = {
  readonly protocols: ReadonlySet<string>;
  /** What is open besides the public internet. */
  readonly allowed: readonly AllowEntry[];
};

/** A repository that may be fetched. `resolved` pins its host to the addresses that were checked; null for a folder or an address. */
export type GitAddress =
  | { readonly kind: 'https'; readonly url: string; readonly resolved: string | null }
  | { readonly kind: 'file'; readonly folder: string };

/** Throws for what is no address of a repository, or not one that may be fetched. */
export const gitAddress = async (repoUrl: string, policy: GitPolicy): Promise<GitAddress> => {
  const url = parsed(repoUrl, policy);
  if (url.protocol === 'file:') return { kind: 'file', folder: decodeURIComponent(url.pathname) };
  const [host, port] = [hostOf(url), portOf(url)];
  const literal = isIP(host) !== 0;
  const addresses = literal ? [host] : await addressesOf(host);
  for (const address of addresses) {
    const refusal = refusalOf(policy.allowed, { host, address, port });
    if (refusal !== null)
      throw new StepError(
        'STEP_NOT_ALLOWED',
        `repo_url leads to ${address}, which ${refusal}; accepted: the public internet, and what ORCHESTRA_HTTP_ALLOW names.`,
      );
  }
  return {
    kind: 'https',
    url: url.href,
    resolved: literal ? null : `${host}:${port}:${addresses.map(bracketed).join(',')}`,
  };
};

const bracketed = (address: string): string => (isIP(address) === 6 ? `[${address}]` : address);

const parsed = (repoUrl: string, { protocols }: GitPolicy): URL => {
  const accepted = [...protocols].map((protocol) => `${protocol}://…`).join(', ');
  const url = URL.canParse(repoUrl) ? new URL(repoUrl) : null;
  // What git calls `ext::command` or `host:path` is no URL, or one of a protocol that is not on the list.
  if (url === null || !protocols.has(url.protocol.slice(0, -1)) || !/^[a-z]+:\/\//i.test(repoUrl))
    throw new StepError(
      'STEP_NOT_ALLOWED',
      `repo_url ${quoted(repoUrl)} is not allowed; accepted: ${accepted} (ORCHESTRA_GIT_PROTOCOLS).`,
    );
  if (url.username !== '' || url.password !== '')
    throw new StepError(
      'STEP_INPUT_INVALID',
      'repo_url has credentials in it, which would stand in the log for ever; accepted: a URL without user and password.',
    );
  if (url.protocol === 'file:' && url.host !== '')
    throw new StepError(
      'STEP_INPUT_INVALID',
      `repo_url ${quoted(repoUrl)} names another machine; accepted: file:///absolute/path.`,
    );
  return url;
};

const addressesOf = async (host: string): Promise<readonly string[]> => {
  try {
    return (await lookup(host, { all: true })).map(({ address }) => address);
  } catch (error) {
    throw new StepError(
      'GIT_FAILED',
      `The host '${host}' of repo_url cannot be found: ${(error as NodeJS.ErrnoException).code}.`,
    );
  }
};
