import type { ScheduleRule, ScheduleSpec } from '#libs/domain/schedule/schedule.js';
import { planSteps } from '#libs/template/plan-steps.js';
import { validateParameters } from '#libs/template/validate-parameters.js';
import type { CompiledTemplate } from '#libs/template/compiled-template.js';
import { durationMs } from './http/duration.js';
import { utcOf } from './http/point-in-time.js';
import { ApiError } from './http/problem.js';
import type { PutScheduleDto } from './put-schedule.dto.js';
import { PRIORITY_DEFAULT } from './submission.js';
import { partsOf } from './template-ref.js';

/** The parameters of a schedule stand in the log with every firing, twice. */
const PARAMETERS_MAX_BYTES = 64 * 1024;

/** A request checked against its template as a submission is, as the command has it. Throws `ApiError`. */
export const scheduleSpecOf = (
  request: PutScheduleDto,
  template: CompiledTemplate,
  numCtx: number,
): ScheduleSpec => {
  const { parameters = {}, jitter, max_firings: firingsMax } = request;
  const bytes = Buffer.byteLength(JSON.stringify(parameters));
  if (bytes > PARAMETERS_MAX_BYTES)
    throw refused('parameters', bytes, `has ${bytes} bytes`, `up to ${PARAMETERS_MAX_BYTES} bytes`);
  const checked = validateParameters(template, parameters);
  if (!checked.ok) {
    const said = checked.problems.map(({ path, message }) => `${path}: ${message}`).join('; ');
    throw new ApiError('PARAMETERS_INVALID', said, checked.problems);
  }
  const planned = planSteps(template, checked.parameters, { numCtx });
  if (!planned.ok) throw ApiError.of(planned.failure);
  return {
    rule: ruleOf(request),
    task: taskOf(request, template, numCtx),
    overlap: request.overlap ?? 'skip',
    catchUp: request.catch_up ?? 'last',
    jitterMs: jitter === undefined ? 0 : (durationMs(jitter) ?? 0),
    ...windowOf(request),
    ...(firingsMax === undefined ? {} : { firingsMax }),
  };
};

const taskOf = (request: PutScheduleDto, { name, version }: CompiledTemplate, numCtx: number) => ({
  workspace: request.workspace ?? 'default',
  template: isPinned(request) ? { name, version } : { name },
  // Not with the defaults of this version filled in: another one may have others.
  parameters: request.parameters ?? {},
  numCtx,
  priority: request.priority ?? PRIORITY_DEFAULT,
  labels: request.labels ?? {},
  ...(request.queue_ttl_ms === undefined ? {} : { queueTtlMs: request.queue_ttl_ms }),
  ...(request.deadline_ms === undefined ? {} : { deadlineMs: request.deadline_ms }),
});

/** A version that is named is that of every firing. */
const isPinned = ({ template, template_version: version }: PutScheduleDto): boolean => {
  const isNamed = partsOf(template).selector !== null;
  if (isNamed && version === 'latest')
    throw refused(
      'template_version',
      version,
      `contradicts ${template}`,
      'pinned, or a name without version',
    );
  return isNamed || version === 'pinned';
};

const RULES = ['cron', 'every', 'at'] as const;

const ruleOf = (request: PutScheduleDto): ScheduleRule => {
  const given = RULES.filter((name) => request[name] !== undefined);
  if (given.length !== 1) {
    const found = given.length === 0 ? 'none is given' : `${given.join(' and ')} are given`;
    throw refused(given[1] ?? 'cron', null, `cannot be used so: ${found}`, `one of ${RULES.join(', ')}`);
  }
  const { cron, every, at, time_zone: timeZone } = request;
  if (timeZone !== undefined && cron === undefined)
    throw refused('time_zone', timeZone, 'is of no use here', 'a time zone beside cron');
  if (cron !== undefined) return { kind: 'cron', cron: cron.trim(), timeZone: timeZone ?? 'UTC' };
  if (every !== undefined) return { kind: 'every', everyMs: durationMs(every) ?? 0 };
  return { kind: 'at', at: utcOf(at ?? '') ?? '' };
};

const windowOf = (request: PutScheduleDto): Pick<ScheduleSpec, 'startAt' | 'endAt'> => {
  const startAt = request.start_at === undefined ? undefined : (utcOf(request.start_at) ?? undefined);
  const endAt = request.end_at === undefined ? undefined : (utcOf(request.end_at) ?? undefined);
  if (startAt !== undefined && endAt !== undefined && endAt < startAt)
    throw refused('end_at', request.end_at, 'is before start_at', `a time not before ${startAt}`);
  return { ...(startAt === undefined ? {} : { startAt }), ...(endAt === undefined ? {} : { endAt }) };
};

const refused = (path: string, value: unknown, message: string, accepted: string): ApiError =>
  new ApiError('VALIDATION_FAILED', `${path} ${message}; accepted: ${accepted}.`, [
    { path, value, message, accepted },
  ]);
