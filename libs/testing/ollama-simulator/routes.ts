import { hostname, networkInterfaces } from 'os';
import { isIP } from 'net';
import { Killed } from './completion.js';
import { embed, embeddings } from './embed.route.js';
import type { Exchange } from './exchange.js';
import { parseFault } from './faults.js';
import { HttpFailure, orFail } from './http-failure.js';
import { infer } from './inference.route.js';
import { copy, pull, remove, show, tags } from './models.route.js';
import type { Sim } from './sim.js';

type Route = (sim: Sim, exchange: Exchange) => Promise<void> | void;

/** The release whose answers were compared with ours. */
const VERSION = '0.24.0';

const alive: Route = (_, exchange) => exchange.plain(200, 'Ollama is running', 'text/plain; charset=utf-8');
const version: Route = (_, exchange) => exchange.json(200, { version: VERSION });
const ps: Route = (sim, exchange) => exchange.json(200, { models: sim.residents.list() });

const arm: Route = async (sim, exchange) => {
  const body: unknown = await exchange.body();
  const faults = typeof body === 'object' && body !== null && 'faults' in body ? body.faults : [body];
  for (const fault of Array.isArray(faults) ? faults : [faults])
    sim.faults.arm(orFail(parseFault(fault), 400));
  exchange.json(200, { faults: sim.faults.list() });
};

const disarm: Route = (sim, exchange) => {
  sim.faults.clear();
  exchange.json(200, { faults: [] });
};

const ROUTES: Readonly<Record<string, Readonly<Record<string, Route>>>> = {
  '/': { GET: alive, HEAD: alive },
  '/api/version': { GET: version, HEAD: version },
  '/api/tags': { GET: tags, HEAD: tags },
  '/api/ps': { GET: ps },
  '/api/show': { POST: show },
  '/api/copy': { POST: copy },
  '/api/delete': { DELETE: remove },
  '/api/pull': { POST: pull },
  '/api/generate': { POST: (sim, exchange) => infer(sim, 'generate', exchange) },
  '/api/chat': { POST: (sim, exchange) => infer(sim, 'chat', exchange) },
  '/api/embed': { POST: embed },
  '/api/embeddings': { POST: embeddings },
  // Ours: what the simulator has seen, and what is to go wrong.
  '/_sim/state': { GET: (sim, exchange) => exchange.json(200, sim.state()) },
  '/_sim/faults': {
    GET: (sim, exchange) => exchange.json(200, { faults: sim.faults.list() }),
    POST: arm,
    DELETE: disarm,
  },
};

export const handle = async (sim: Sim, exchange: Exchange): Promise<void> => {
  const { request, response } = exchange;
  const path = new URL(request.url ?? '/', 'http://simulator').pathname;
  const method = request.method ?? 'GET';
  if (!hostAllowed(request.headers.host ?? ''))
    return void response.writeHead(403, { 'content-length': 0 }).end();
  const methods = ROUTES[path];
  if (!methods) return exchange.plain(404, '404 page not found');
  const route = methods[method];
  if (!route) return exchange.plain(405, '405 method not allowed');
  const name = `${method} ${path}`;
  sim.requests.set(name, (sim.requests.get(name) ?? 0) + 1);
  try {
    await route(sim, exchange);
  } catch (error) {
    answerError(sim, exchange, error);
  }
};

const answerError = (sim: Sim, exchange: Exchange, error: unknown): void => {
  if (exchange.signal.aborted) {
    sim.abandoned += 1;
  } else if (error instanceof Killed) {
    if (error.clean) exchange.end();
    else exchange.breakOff();
  } else {
    exchange.fail(error instanceof HttpFailure ? error : new HttpFailure(500, String(error)));
  }
};

/** A server on a loopback address answers to names of this machine alone, so that no web page can talk to it. */
const hostAllowed = (header: string): boolean => {
  const host = (/^\[(.*)\](:\d+)?$/.exec(header)?.[1] ?? header.replace(/:\d+$/, '')).toLowerCase();
  if (isIP(host) !== 0) return isLocalAddress(host);
  return (
    ['', 'localhost', hostname().toLowerCase()].includes(host) || /\.(localhost|local|internal)$/.test(host)
  );
};

const isLocalAddress = (address: string): boolean =>
  /^(127\.|10\.|192\.168\.|172\.(1[6-9]|2\d|3[01])\.|0\.0\.0\.0$|::1?$|f[cd])/.test(address) ||
  Object.values(networkInterfaces()).some((addresses) => addresses?.some((own) => own.address === address));
