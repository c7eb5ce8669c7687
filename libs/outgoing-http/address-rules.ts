import ipaddr from 'ipaddr.js';

/**
 * To which addresses steps may send requests. Everything on the public internet is open; what is not public (this machine,
 * its network, a cloud's metadata) is open only where the operator's list names it.
 */
export type AllowEntry = {
  readonly what:
    | { readonly kind: 'host'; readonly name: string }
    | { readonly kind: 'range'; readonly first: IpAddress; readonly bits: number };
  /** `web`: 80 and 443. */
  readonly port: number | 'web' | 'any';
};

export type Target = {
  /** As the URL has it, without brackets: a name or an address. */
  readonly host: string;
  readonly address: string;
  readonly port: number;
};

type IpAddress = ReturnType<typeof ipaddr.parse>;

/** Where clouds keep a machine's secrets; some of these are public or merely private by their numbers. */
const METADATA = [
  '169.254.0.0/16',
  '100.100.100.200/32',
  '168.63.129.16/32',
  '192.0.0.192/32',
  'fd00:ec2::254/128',
  'fd20:ce::254/128',
].map((range) => ipaddr.parseCIDR(range));

/** The part of IPv6 from which addresses of the internet are given out; what only translates to IPv4 lies in and beside it. */
const GLOBAL_UNICAST = ipaddr.IPv6.parseCIDR('2000::/3');

/** Of what is not public, this much is a matter of who runs the network; a name in the list opens it, the rest only a range does. */
const OF_A_NETWORK = new Set(['loopback', 'private', 'carrierGradeNat', 'uniqueLocal']);

const WEB_PORTS: readonly number[] = [80, 443];
const ENTRIES_MAX = 256;
const HOST_NAME = /^(?=.{1,253}$)[a-z0-9_](?:[a-z0-9_-]{0,62})(?:\.[a-z0-9_-]{1,63})*$/;

/** A comma-separated list of hosts, addresses and ranges, each with `:port` or `:*` where wanted; undefined when one is none. */
export const parseAllowed = (text: string): readonly AllowEntry[] | undefined => {
  const entries = text
    .split(',')
    .map((part) => part.trim().toLowerCase())
    .filter((part) => part !== '')
    .map(parseEntry);
  return entries.length <= ENTRIES_MAX && entries.every((entry) => entry !== undefined) ? entries : undefined;
};

const parseEntry = (text: string): AllowEntry | undefined => {
  // First of all, because the end of an IPv6 address looks like a port.
  const whole = rangeOf(text);
  if (whole) return { what: whole, port: 'web' };
  const [, before, portText] = /^(.+):(\*|\d{1,5})$/.exec(text) ?? [];
  const port = portText === undefined ? 'web' : portText === '*' ? 'any' : Number(portText);
  if (typeof port === 'number' && (port < 1 || port > 65_535)) return undefined;
  const named = before ?? text;
  const what = rangeOf(/^\[(.+)\]$/.exec(named)?.[1] ?? named) ?? hostOf(named);
  return what && { what, port };
};

const hostOf = (text: string): AllowEntry['what'] | undefined =>
  HOST_NAME.test(text) && !/^[\d.]+$/.test(text) ? { kind: 'host', name: text } : undefined;

const rangeOf = (text: string): AllowEntry['what'] | undefined => {
  const isFull = ipaddr.IPv4.isValidFourPartDecimal(text) || ipaddr.IPv6.isValid(text);
  if (isFull && !text.includes('%')) {
    const first = ipaddr.parse(text);
    return { kind: 'range', first, bits: first.kind() === 'ipv4' ? 32 : 128 };
  }
  if (!ipaddr.IPv4.isValidCIDRFourPartDecimal(text) && !ipaddr.IPv6.isValidCIDR(text)) return undefined;
  const [first, bits] = ipaddr.parseCIDR(text);
  return { kind: 'range', first, bits };
};

/** Why a request may not go there; null when it may. */
export const refusalOf = (allowed: readonly AllowEntry[], target: Target): string | null => {
  if (!ipaddr.isValid(target.address)) return 'is no IP address';
  const address = ipaddr.parse(target.address);
  const kind = kindOf(address);
  if (kind === 'public') return null;
  const named = allowed.filter(({ what }) => names(what, target.host, address, kind));
  if (named.some(({ port }) => isOpen(port, target.port))) return null;
  return named.length > 0
    ? `is ${SAID[kind] ?? SAID['other']}, open on other ports only`
    : `is ${SAID[kind] ?? SAID['other']}`;
};

/** `public`, or the kind of address that is not. */
const kindOf = (address: IpAddress): string => {
  if (METADATA.some(([first, bits]) => first.kind() === address.kind() && address.match(first, bits)))
    return 'metadata';
  const range = address.range();
  if (range !== 'unicast') return range;
  return address.kind() === 'ipv4' || address.match(GLOBAL_UNICAST) ? 'public' : 'other';
};

const names = (what: AllowEntry['what'], host: string, address: IpAddress, kind: string): boolean =>
  what.kind === 'host'
    ? what.name === host.replace(/\.$/, '') && OF_A_NETWORK.has(kind)
    : what.first.kind() === address.kind() && address.match(what.first, what.bits);

const isOpen = (port: AllowEntry['port'], wanted: number): boolean =>
  port === 'any' || (port === 'web' ? WEB_PORTS.includes(wanted) : port === wanted);

const SAID: Readonly<Record<string, string>> = {
  metadata: "an address at which clouds keep a machine's secrets",
  loopback: 'this machine',
  private: 'a private address',
  uniqueLocal: 'a private address',
  carrierGradeNat: 'an address of a shared network',
  linkLocal: 'a link-local address',
  multicast: 'a multicast address',
  broadcast: 'a broadcast address',
  unspecified: 'the address of no machine',
  ipv4Mapped: 'an IPv4 address in IPv6 form',
  rfc6052: 'an IPv4 address behind NAT64',
  '6to4': 'an IPv4 address behind 6to4',
  teredo: 'an IPv4 address behind Teredo',
  other: 'not an address of the public internet',
};
