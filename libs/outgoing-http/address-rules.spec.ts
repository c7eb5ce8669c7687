import { describe, expect, it } from '@jest/globals';
import { parseAllowed, refusalOf, type AllowEntry } from './address-rules.js';

const allowed = (text: string): readonly AllowEntry[] => {
  const entries = parseAllowed(text);
  if (entries === undefined) throw new Error(`'${text}' is not accepted`);
  return entries;
};
const refusal = (list: string, host: string, address: string, port = 80): string | null =>
  refusalOf(allowed(list), { host, address, port });

describe('addresses to which steps may send requests', () => {
  it.each(['93.184.216.34', '8.8.8.8', '2606:4700:4700::1111', '172.32.0.1', '100.128.0.1'])(
    '%s is public',
    (address) => expect(refusal('', 'host', address, 8_443)).toBeNull(),
  );

  it.each([
    ['127.0.0.1', /this machine/],
    ['127.255.1.2', /this machine/],
    ['10.1.2.3', /private/],
    ['172.16.0.1', /private/],
    ['192.168.1.1', /private/],
    ['100.64.0.1', /shared network/],
    ['169.254.169.254', /secrets/],
    ['169.254.1.1', /secrets/],
    ['100.100.100.200', /secrets/],
    ['168.63.129.16', /secrets/],
    ['192.0.0.192', /secrets/],
    ['0.0.0.0', /no machine/],
    ['0.1.2.3', /no machine/],
    ['224.0.0.1', /multicast/],
    ['255.255.255.255', /broadcast/],
    ['240.0.0.1', /not an address/],
    ['198.18.0.1', /not an address/],
    ['192.0.2.1', /not an address/],
    ['::', /no machine/],
    ['::1', /this machine/],
    ['::ffff:127.0.0.1', /IPv4 address in IPv6 form/],
    ['::ffff:8.8.8.8', /IPv4 address in IPv6 form/],
    ['::127.0.0.1', /IPv4 address in IPv6 form/],
    ['::7f00:1', /not an address/],
    ['::ffff:0:127.0.0.1', /not an address/],
    ['64:ff9b::7f00:1', /NAT64/],
    ['64:ff9b:1::7f00:1', /NAT64/],
    ['2002:7f00:1::', /6to4/],
    ['2001:0:4136:e378:8000:63bf:3fff:fdd2', /Teredo/],
    ['fd12:3456::1', /private/],
    ['fd00:ec2::254', /secrets/],
    ['fe80::1', /link-local/],
    ['fe80::1%eth0', /link-local/],
    ['fec0::1', /not an address/],
    ['ff02::1', /multicast/],
    ['100::1', /not an address/],
    ['2001:db8::1', /not an address/],
    ['4000::1', /not an address/],
    ['localhost', /no IP address/],
    ['', /no IP address/],
  ])('%s is refused', (address, why) => expect(refusal('', 'host', address)).toMatch(why));
});

describe('the list of what is allowed besides', () => {
  it.each([
    ['10.0.0.0/8', '10.1.2.3', 80],
    ['10.0.0.0/8', '10.1.2.3', 443],
    ['10.1.2.3', '10.1.2.3', 80],
    ['10.0.0.0/8:8080', '10.1.2.3', 8_080],
    ['10.0.0.0/8:*', '10.1.2.3', 22],
    ['[fd12::/16]:8080', 'fd12::5', 8_080],
    ['fd12::/16', 'fd12::5', 443],
    ['::1', '::1', 80],
    ['169.254.169.254', '169.254.169.254', 80],
    ['wiki.lan', '192.168.0.5', 80],
    ['WIKI.lan:3000', '192.168.0.5', 3_000],
    ['a.lan, wiki.lan:*', 'fd12::5', 9],
  ])('%s opens %s on port %d', (list, address, port) => {
    expect(refusal(list, 'wiki.lan', address, port)).toBeNull();
    expect(refusal(list, 'wiki.lan.', address, port)).toBeNull();
  });

  it.each([
    ['10.0.0.0/8', 'wiki.lan', '10.1.2.3', 6_379, /other ports only/],
    ['10.0.0.0/8:8080', 'wiki.lan', '10.1.2.3', 80, /other ports only/],
    ['10.0.0.0/8', 'wiki.lan', '11.0.0.1', 80, null],
    ['10.0.0.0/8', 'wiki.lan', '192.168.0.1', 80, /private/],
    ['127.0.0.1', 'wiki.lan', '::ffff:127.0.0.1', 80, /IPv6 form/],
    ['127.0.0.1', 'wiki.lan', '64:ff9b::7f00:1', 80, /NAT64/],
    ['wiki.lan', 'wiki.lan', '192.168.0.5', 4_222, /other ports only/],
    ['wiki.lan', 'my.wiki.lan', '192.168.0.5', 80, /private/],
    // Whoever answers for the name does not get at the secrets of the machine by it.
    ['wiki.lan:*', 'wiki.lan', '169.254.169.254', 80, /secrets/],
    ['wiki.lan:*', 'wiki.lan', 'fd00:ec2::254', 80, /secrets/],
    ['wiki.lan:*', 'wiki.lan', '0.0.0.0', 80, /no machine/],
    ['wiki.lan:*', 'wiki.lan', '::ffff:192.168.0.5', 80, /IPv6 form/],
  ])('%s and %s at %s, port %d: %s', (list, host, address, port, why) => {
    if (why === null) expect(refusal(list, host, address, port)).toBeNull();
    else expect(refusal(list, host, address, port)).toMatch(why);
  });

  it.each([
    '10.0.0.0/33',
    '10.0.0/8',
    '127.1',
    '1.2.3.4.5',
    'http://wiki',
    'a b',
    'wiki.lan:0',
    'wiki.lan:70000',
    '*',
    '[wiki.lan',
    'fe80::1%eth0',
    '2130706433',
  ])('does not take %s', (text) => expect(parseAllowed(text)).toBeUndefined());
});
