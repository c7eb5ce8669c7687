import { lookup } from 'node:dns/promises';
import { BlockList, isIP } from 'node:net';
import { StepError } from '../step-error.js';
import { quoted } from '../workspace/inside-path.js';

export type GitPolicy = {
  readonly protocols: ReadonlySet<string>;
  /** Also addresses that are not public. */
  readonly privateAddresses: boolean;
};

/** A repository that may be fetched. `resolved` pins its host to the addresses that were checked; null for a folder or an address. */
export type GitAddress =
  | { readonly kind: 'https'; readonly url: string; readonly resolved: string | null }
  | { readonly kind: 'file'; readonly folder: string };

/** Networks that are nobody's on the public Internet (IANA's special-purpose registries). */
const PRIVATE_IPV4: readonly (readonly [string, number])[] = [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 3],
];
/** Of IPv6 only what is given out, less what leads elsewhere: Teredo, documentation, 6to4. */
const PUBLIC_IPV6 = blockListOf('ipv6', [['2000::', 3]]);
const SPECIAL_IPV6 = blockListOf('ipv6', [
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['3fff::', 20],
]);
const SPECIAL_IPV4 = blockListOf('ipv4', PRIVATE_IPV4);

function blockListOf(family: 'ipv4' | 'ipv6', networks: readonly (readonly [string, number])[]): BlockList {
  const list = new BlockList();
  for (const [network, prefix] of networks) list.addSubnet(network, prefix, family);
  return list;
}

export const isPublic = (address: string): boolean =>
  isIP(address) === 4
    ? !SPECIAL_IPV4.check(address, 'ipv4')
    : PUBLIC_IPV6.check(address, 'ipv6') && !SPECIAL_IPV6.check(address, 'ipv6');

/** Throws for what is no address of a repository, or not one that may be fetched. */
export const gitAddress = async (repoUrl: string, policy: GitPolicy): Promise<GitAddress> => {
  const url = parsed(repoUrl, policy);
  if (url.protocol === 'file:') return { kind: 'file', folder: decodeURIComponent(url.pathname) };
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const literal = isIP(host) !== 0;
  const addresses = literal ? [host] : await addressesOf(host);
  const refused = policy.privateAddresses ? [] : addresses.filter((address) => !isPublic(address));
  if (refused.length > 0)
    throw new StepError(
      'STEP_NOT_ALLOWED',
      `repo_url leads to ${refused.join(', ')}, which is no public address; accepted: public ones (ORCHESTRA_GIT_PRIVATE_ADDRESSES).`,
    );
  const port = url.port === '' ? '443' : url.port;
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
