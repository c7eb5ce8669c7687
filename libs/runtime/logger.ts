import type { LoggerService } from '@nestjs/common';
import { pino, type Logger } from 'pino';

export type { Logger };

/**
 * Structured logs: one JSON object per line on stderr. Fields that tie lines together: `service`, `instance`, `taskId`,
 * `traceId`, `seq`. Keys that may hold a secret are removed wherever they stand.
 */
export const createLogger = (options: {
  readonly service: string;
  readonly instance: string;
  readonly level: string;
}): Logger =>
  pino(
    {
      level: options.level,
      base: { service: options.service, instance: options.instance },
      timestamp: pino.stdTimeFunctions.isoTime,
      redact: {
        paths: [
          'apiKey',
          '*.apiKey',
          'authorization',
          '*.authorization',
          'headers["x-api-key"]',
          'seed',
          '*.seed',
        ],
        remove: true,
      },
    },
    pino.destination({ dest: 2, sync: false }),
  );

/** Lets Nest write through the same logger. Its start-up chatter is debug. */
export const nestLogger = (logger: Logger): LoggerService => ({
  log: (message: unknown, context?: unknown) => logger.debug({ context }, String(message)),
  error: (message: unknown, stack?: unknown) => logger.error({ stack }, String(message)),
  warn: (message: unknown, context?: unknown) => logger.warn({ context }, String(message)),
  debug: (message: unknown, context?: unknown) => logger.debug({ context }, String(message)),
  verbose: (message: unknown, context?: unknown) => logger.trace({ context }, String(message)),
});
