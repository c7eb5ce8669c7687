import { once } from 'node:events';
import { createServer } from 'node:net';

/** A port that nobody listens on now. */
export const freePort = async (host = '127.0.0.1'): Promise<number> => await portOf(0, host);

/** This port where it is free, another one where it is taken. */
export const freePortNear = async (preferred: number, host = '127.0.0.1'): Promise<number> =>
  (await isFree(preferred, host)) ? preferred : await freePort(host);

/** Rejects where the system refuses the port for another reason than that it is taken. */
export const isFree = async (port: number, host = '127.0.0.1'): Promise<boolean> => {
  try {
    await portOf(port, host);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') return false;
    throw error;
  }
};

const portOf = async (wanted: number, host: string): Promise<number> => {
  const server = createServer().listen(wanted, host);
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (typeof address === 'object' && address !== null) return address.port;
  throw new Error(`the system gave no port on ${host}`);
};
