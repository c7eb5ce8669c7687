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

/** A number in range, or one line that says what would be, and exit code 78 (EX_CONFIG). */
const numberOf = (name: string, text: string, accepted: string, fits: (value: number) => boolean): number => {
  const value = Number(text);
  if (text.trim() !== '' && fits(value)) return value;
  return refuse(`--${name} '${text}' — expected ${accepted}`);
};

const refuse = (problem: string): never => {
  process.stderr.write(`${problem}\n`);
  process.exit(78);
};

const whole = (least: number, most: number) => (value: number) =>
  Number.isInteger(value) && value >= least && value <= most;

const port = numberOf('port', values.port, 'a port from 0 (any free one) to 65535', whole(0, 65_535));
const speeds = 'simulated seconds per real second, from 0.001 to 1000';
const timeScale = numberOf(
  'time-scale',
  values['time-scale'],
  speeds,
  (value) => value >= 0.001 && value <= 1_000,
);
const parallel = numberOf('parallel', values.parallel, 'slots per model, from 1 to 64', whole(1, 64));
const seed = numberOf('seed', values.seed, 'a whole number from 0 to 4294967295', whole(0, 2 ** 32 - 1));
const vram = values['vram-bytes'];
const simulator = await startOllamaSimulator({
  port,
  timeScale,
  parallel,
  seed,
  ...(vram === undefined
    ? {}
    : { vramBytes: numberOf('vram-bytes', vram, 'bytes, 1 or more', whole(1, Number.MAX_SAFE_INTEGER)) }),
}).catch((error: unknown) => refuse(`cannot listen on 127.0.0.1:${port}: ${String(error)}`));
process.stdout.write(`${JSON.stringify({ msg: 'ollama simulator listening', url: simulator.url })}\n`);

const stop = (): void => void simulator.stop().then(() => process.exit(0));
process.once('SIGTERM', stop);
process.once('SIGINT', stop);
