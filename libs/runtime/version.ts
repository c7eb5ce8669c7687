import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** Version in package.json, found from the source tree and from `dist` alike. */
export const packageVersion = (): string => {
  for (const up of ['../../package.json', '../../../package.json']) {
    try {
      const file = fileURLToPath(new URL(up, import.meta.url));
      const { name, version } = JSON.parse(readFileSync(file, 'utf8')) as { name?: string; version?: string };
      if (name === 'ai-task-orchestra' && version !== undefined) return version;
    } catch {
      // The other place has it.
    }
  }
  return '0.0.0';
};
