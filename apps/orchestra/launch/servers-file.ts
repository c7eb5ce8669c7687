import { access, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

type Options = {
  readonly dataDir: string;
  readonly servers: string;
  readonly serversFile?: string;
  readonly rewriteServers?: boolean;
};

/** The file that the allocator reads: the one that was named, or that of the data folder, which is written once and then the user's. */
export const ensureServersFile = async ({
  dataDir,
  servers,
  serversFile,
  rewriteServers,
}: Options): Promise<string> => {
  if (serversFile !== undefined) return serversFile;
  const file = join(dataDir, 'servers.yaml');
  const there = await access(file).then(
    () => true,
    () => false,
  );
  if (!there || rewriteServers) await writeFile(file, servers);
  return file;
};
