import { parseArgs } from 'util';
import { startOllamaSimulator } from './ollama-simulator.js';

/** The simulator as a process of its own: says one line when it listens, and stops on SIGTERM or SIGINT. */
const { values } = parseArgs({
  options: {
    port: { type: 'string', default: '11434' },
    'time-scale': { type: 'string', default: '1' },
    'vram-bytes': { type: 'string' },
    parallel: { type: 'string', default: '1' },
    seed: { type: 'string', default: '1' },
  },
});

const positive = (name: string, text: string, accepted: string, least: number): number => {
  const value = Number(text);
  if (Number.isFinite(value) && value >= least) return value;
  process.stderr.write(`--${name} '${text}' — expected ${accepted}\n`);
  process.exit(78);
};

const vram = values['vram-bytes'];
const simulator = await startOllamaSimulator({
  port: positive('port', values.port, 'a port from 0 to 65535', 0),
  timeScale: positive(
    'time-scale',
    values['time-scale'],
    'simulated seconds per real second, 0.001 or more',
    0.001,
  ),
  parallel: positive('parallel', values.parallel, 'slots per model, 1 or more', 1),
  seed: positive('seed', values.seed, 'a whole number from 0', 0),
  ...(vram === undefined ? {} : { vramBytes: positive('vram-bytes', vram, 'bytes, 1 or more', 1) }),
});
process.stdout.write(`${JSON.stringify({ msg: 'ollama simulator listening', url: simulator.url })}\n`);

const stop = (): void => void simulator.stop().then(() => process.exit(0));
process.once('SIGTERM', stop);
process.once('SIGINT', stop);
