import { randomUUID } from 'node:crypto';
import type { CommandAnswer, PutSchedule } from '#libs/contracts/commands.js';
import type { PutScheduleDto } from './put-schedule.dto.js';
import { scheduleSpecOf } from './schedule-spec.js';
import type { SchedulerClient } from './scheduler-client.js';
import type { TemplateRegistry } from './template-registry.js';
import type { TemplateFinder } from './template-finder.js';

/** Checks a schedule against its template, makes the command of it, and sends it behind the template. */
export class SchedulePutting {
  constructor(
    private readonly templates: TemplateFinder,
    private readonly scheduler: SchedulerClient,
    private readonly numCtx: number,
    private readonly registry: TemplateRegistry,
  ) {}

  async put(
    scheduleId: string,
    request: PutScheduleDto,
    traceparent: string | undefined,
  ): Promise<CommandAnswer | null> {
    const { template, isCurrent } = await this.templates.find(request.template);
    const schedule = scheduleSpecOf(request, template, this.numCtx);
    const known = [...this.templates.below([template]), ...(isCurrent ? [template] : [])];
    return await this.registry.submitWith(known, () => {
      const command: PutSchedule = { kind: 'put-schedule', commandId: randomUUID(), scheduleId, schedule };
      return this.scheduler.send(command, traceparent);
    });
  }
}
