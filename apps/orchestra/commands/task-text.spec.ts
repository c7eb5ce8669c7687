import { describe, expect, it } from '@jest/globals';
import type { StepView, TaskView } from '#libs/contracts/queries.js';
import { createOutput } from '../output.js';
import { taskLines } from './task-text.js';

const stepOf = (id: string, more: Partial<StepView> = {}): StepView => ({
  id,
  type: 'acme.word_count',
  needs: [],
  finally: false,
  error: null,
  status: 'pending',
  output: null,
  items: null,
  waiting: null,
  ...more,
});

const taskOf = (steps: readonly StepView[]): TaskView => ({
  id: 't1',
  workspace: 'default',
  status: 'queued',
  priority: 5,
  template: { name: 'counts', version: 'v1' },
  parameters: {},
  depends_on: [],
  workflow_id: null,
  parent: null,
  labels: {},
  created_at: '2026-01-31T12:00:00.000Z',
  run_at: null,
  deadline_at: null,
  queue_ttl_ms: null,
  rerun_of: null,
  started_at: null,
  ended_at: null,
  cancel_requested_at: null,
  finishing: null,
  moved: null,
  result: null,
  error: null,
  last_error: null,
  steps,
  attempts: [],
  resource_usage: {
    models: [],
    load_ms: 0,
    prompt_ms: 0,
    generation_ms: 0,
    tokens_in: 0,
    tokens_out: 0,
    vram_bytes_max: null,
  },
  last_seq: 1,
});

describe('a task for people', () => {
  const out = createOutput(false, { stdout: process.stdout, stderr: process.stderr }, { NO_COLOR: '1' });

  it('says of a step whose type nobody serves what it waits for', () => {
    const waiting = { waits_for: 'a worker of step type acme.word_count; none is registered' };
    const lines = taskLines(taskOf([stepOf('count', waiting), stepOf('next')]), out);
    expect(lines.slice(4)).toEqual([
      '  count  waits for a worker of step type acme.word_count; none is registered',
    ]);
  });
});
