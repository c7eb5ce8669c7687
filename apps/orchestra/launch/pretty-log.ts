/** Levels as pino numbers them. */
const LEVELS: Readonly<Record<number, string>> = {
  10: 'trace',
  20: 'debug',
  30: 'info',
  40: 'WARN',
  50: 'ERROR',
  60: 'FATAL',
};

/** Fields that have a place of their own in the line, or say what the line says already. */
const PLACED = new Set(['level', 'time', 'service', 'instance', 'msg']);

/** One line of a service's log for people: time, service, level, message, then what else it knows. Other text stays as it is. */
export const prettyLog = (service: string, line: string): string => {
  const fields = parse(line);
  if (fields === null) return `${service.padEnd(13)}  ${line}`;
  const { level, time, msg } = fields;
  const message = typeof msg === 'string' ? msg : '';
  const rest = Object.entries(fields)
    .filter(([name]) => !PLACED.has(name))
    .map(([name, value]) => `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`);
  const when = typeof time === 'string' ? time.slice(11, 23) : ''.padEnd(12);
  return [when, service.padEnd(13), (LEVELS[Number(level)] ?? '').padEnd(5), message, ...rest].join('  ');
};

const parse = (line: string): Readonly<Record<string, unknown>> | null => {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null ? { ...value } : null;
  } catch {
    return null;
  }
};
