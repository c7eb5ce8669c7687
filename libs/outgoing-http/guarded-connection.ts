import { lookup as systemLookup, type LookupAddress } from 'node:dns';
import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import { isIP, type LookupFunction } from 'node:net';
import type { Duplex } from 'node:stream';
import { OutgoingError } from './outgoing-error.js';
import { refusalOf, type AllowEntry } from './address-rules.js';

/** Gives all addresses of a name. */
export type Resolve = (
  host: string,
  done: (error: Error | null, addresses: readonly LookupAddress[]) => void,
) => void;

export const systemResolve: Resolve = (host, done) =>
  systemLookup(host, { all: true, verbatim: true }, (error, addresses) => done(error, addresses ?? []));

export type ConnectionRules = {
  /** What is open besides the public internet. */
  readonly allowed: readonly AllowEntry[];
  /** Where `allowed` comes from, for messages: a setting, say. */
  readonly opener: string;
  readonly resolve: Resolve;
};

/**
 * The connection of one request, to an address that it may use. The name is resolved once, by the socket itself, and what is checked
 * is that very answer: there is no time between the check and the use in which a name could get another address. A name of which one
 * address is refused is refused whole, so that nobody can win by trying again.
 */
export class GuardedConnection {
  readonly agent: HttpAgent;
  /** Why it was not connected, once that is so. */
  refused: OutgoingError | undefined;

  constructor(
    private readonly target: { readonly host: string; readonly port: number; readonly isSecure: boolean },
    private readonly rules: ConnectionRules,
  ) {
    const options = { keepAlive: false, maxSockets: 1, lookup: this.#lookup };
    this.agent = target.isSecure ? new HttpsAgent(options) : new HttpAgent(options);
    const create = this.agent.createConnection.bind(this.agent);
    this.agent.createConnection = (connection, callback) => {
      const socket = create(connection, callback);
      if (socket) this.#watch(socket);
      return socket;
    };
    // An address is not looked up, and what `localhost` means is no matter of a name server (RFC 6761).
    if (isIP(target.host) !== 0) this.#check(target.host);
    else if (/(^|\.)localhost\.?$/.test(target.host)) this.#check('127.0.0.1');
  }

  close(): void {
    this.agent.destroy();
  }

  /** True when the address may be used; else says why not, once and for all. */
  #check(address: string): boolean {
    const { host, port } = this.target;
    const why = refusalOf(this.rules.allowed, { host, address, port });
    if (why === null) return true;
    const place = host === address ? `'${host}'` : `'${host}' (${address})`;
    this.refused ??= new OutgoingError(
      'HTTP_ADDRESS_REFUSED',
      `${place}, port ${port}: it ${why}; accepted: addresses of the public internet, and what ${this.rules.opener} names.`,
      { host, address, port },
    );
    return false;
  }

  readonly #lookup: LookupFunction = (host, options, callback) =>
    this.rules.resolve(host, (error, addresses) => {
      const [first] = addresses;
      if (error) return callback(error, '');
      if (first === undefined) return callback(new Error(`'${host}' has no address`), '');
      const isOpen = addresses.map(({ address }) => this.#check(address)).every(Boolean);
      if (!isOpen) return callback(this.refused as Error, '');
      if (options.all === true) callback(null, [...addresses]);
      else callback(null, first.address, first.family);
    });

  /** Before a byte is sent: where the socket really is, however it came there. */
  #watch(socket: Duplex): void {
    socket.once('connect', () => {
      const { remoteAddress } = socket as Duplex & { readonly remoteAddress?: string };
      if (!this.#check(remoteAddress ?? '')) socket.destroy(this.refused);
    });
  }
}
