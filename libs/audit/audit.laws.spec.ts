import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { SUBJECTS, subjectToken } from '#libs/contracts/subjects.js';
import type { GpuRecord } from '#libs/domain/gpu/gpu.js';
import type { TaskRecord } from '#libs/domain/task/task-book.js';
import { NOW } from '#libs/testing/builders.js';
import { gpuActions, GpuWorld } from '#libs/testing/gpu-world.js';
import { taskActions } from '#libs/testing/task-actions.js';
import { TaskWorld } from '#libs/testing/task-world.js';
import { ArtifactAudit } from './artifact-audit.js';
import type { AuditRecord } from './audit-record.js';
import { ChildAudit } from './child-audit.js';
import { Findings } from './findings.js';
import { LeaseAudit } from './lease-audit.js';
import { ScheduleAudit } from './schedule-audit.js';
import { TaskAudit } from './task-audit.js';
import { WorkflowAudit } from './workflow-audit.js';

/** Everything but the chain, which these histories have none of. */
const recordOf = ({ seq, event: { type, ...data } }: TaskRecord | GpuRecord): AuditRecord => ({
  seq,
  subject: SUBJECTS.scheduler(subjectToken(type)),
  id: `e-${seq}`,
  type,
  version: 1,
  time: NOW,
  epoch: 1,
  prevHash: '',
  data,
  payload: JSON.stringify(data),
});

const law = <A>(actions: fc.Arbitrary<readonly A[]>, check: (made: readonly A[]) => void): void =>
  fc.assert(fc.property(actions, check), { numRuns: 2_000 });

describe('two thousand histories of the deciders, whatever is asked of them', () => {
  it('keep every promise about tasks and attempts', () =>
    law(taskActions, (made) => {
      const world = new TaskWorld();
      for (const action of made) world.act(action);
      const findings = new Findings();
      const audit = new TaskAudit('TASKS', findings);
      const workflows = new WorkflowAudit('TASKS', findings);
      const schedules = new ScheduleAudit('TASKS', findings);
      const artifacts = new ArtifactAudit('TASKS', findings);
      const children = new ChildAudit('TASKS', findings);
      for (const record of world.log) {
        const { event } = record;
        if (('taskId' in event || 'scope' in event) && event.type !== 'artifact.removed')
          audit.take(recordOf(record));
        workflows.take(recordOf(record));
        schedules.take(recordOf(record));
        artifacts.take(recordOf(record));
        children.take(recordOf(record));
      }
      workflows.settle();
      schedules.settle();
      expect(findings.kept).toEqual([]);
      expect(audit.count).toEqual({ open: world.book.open.size, over: world.book.closed.size });
    }));

  it('keep every promise about memory, slots and leases', () =>
    law(gpuActions, (made) => {
      const world = new GpuWorld();
      for (const action of made) world.act(action);
      const findings = new Findings();
      const audit = new LeaseAudit('LEASES', findings);
      for (const record of world.log) audit.take(recordOf(record));
      expect(findings.kept).toEqual([]);
      expect(audit.serverCount).toBe(world.ledger.servers.size);
    }));
});
