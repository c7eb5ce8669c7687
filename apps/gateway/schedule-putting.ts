import { randomUUID } from 'node:crypto';
import type { CommandAnswer, PutSchedule } from '#libs/contracts/commands.js';
import type { PutScheduleDto } from './put-schedule.dto.js';
import { scheduleSpecOf } from './schedule-spec.js';
import type { SchedulerClient } from './scheduler-client.js';
import type { TemplateRegistry } from './template-registry.js';
import type { TemplateShelf } from './template-shelf.js';

/** Checks a schedule against its template, makes the command of it, and sends it behind the template. */
export class SchedulePutting {
  constructor(
    private readonly shelf: TemplateShelf,
    private readonly scheduler: SchedulerClient,
    private readonly numCtx: number,
    private readonly registry: TemplateRegistry,
  ) {}

  async put(
    scheduleId: string,
    request: PutScheduleDto,
    traceparent: string | undefined,
  ): Promise<CommandAnswer | null> {
    const template = this.shelf.get(request.template);
    const schedule = scheduleSpecOf(request, template, this.numCtx);
    return await this.registry.submitWith([template], () => {
      const command: PutSchedule = { kind: 'put-schedule', commandId: randomUUID(), scheduleId, schedule };
      return this.scheduler.send(command, traceparent);
    });
  }
}
