import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ERRORS, type ErrorCode } from '#libs/domain/errors.js';
import { send, sendRaw, type Sent } from './http-client.js';
import { TestPlatform } from './platform.js';

const KEY = 'a-key-of-some-length';

type Row = Sent & {
  readonly name: string;
  readonly code: ErrorCode;
  /** What the answer must name: the value, the place, what is accepted. */
  readonly says: readonly RegExp[];
};

const post = (name: string, body: unknown, code: ErrorCode, ...says: RegExp[]): Row => ({
  name,
  method: 'POST',
  path: '/api/v1/tasks',
  body,
  code,
  says,
});
const get = (name: string, path: string, code: ErrorCode, ...says: RegExp[]): Row => ({
  name,
  method: 'GET',
  path: `/api/v1${path}`,
  code,
  says,
});
const cancelling = (name: string, body: unknown, ...says: RegExp[]): Row => ({
  ...post(`cancelling by ${name}`, body, 'VALIDATION_FAILED', ...says),
  path: '/api/v1/tasks/cancel',
});
const pausing = (name: string, scope: string, body: unknown, code: ErrorCode, ...says: RegExp[]): Row => ({
  ...post(`pausing ${name}`, body, code, ...says),
  method: 'PUT',
  path: `/api/v1/pauses/${scope}`,
});
const rerunning = (name: string, id: string, body: unknown, code: ErrorCode, ...says: RegExp[]): Row => ({
  ...post(`running again ${name}`, body, code, ...says),
  path: `/api/v1/tasks/${id}/rerun`,
});
const moving = (name: string, id: string, body: unknown, code: ErrorCode, ...says: RegExp[]): Row => ({
  ...post(`moving ${name}`, body, code, ...says),
  path: `/api/v1/tasks/${encodeURIComponent(id)}/move`,
});
const noop = (more: object): object => ({ template: 'noop', ...more });
const inference = (parameters: object): object => ({ template: 'ollama-inference', parameters });

const flow = (name: string, body: unknown, code: ErrorCode, ...says: RegExp[]): Row => ({
  ...post(`a workflow: ${name}`, body, code, ...says),
  path: '/api/v1/workflows',
});
/** A workflow with one task more than is right. */
const tasks = (more: object): object => ({ tasks: { first: noop({}), ...more } });
const chained = (text: string): object => ({
  tasks: { draft: noop({}), next: { ...inference({ model: 'm', prompt: text }), needs: ['draft'] } },
});

/** As text: what nests this deeply, JSON.stringify cannot write. */
const deep = (field: string, levels: number): string =>
  `{"template":"noop",${field}${'['.repeat(levels)}${']'.repeat(levels)}${'}'.repeat(field.split('{').length)}`;

/** A few lines that stand for more than memory holds. */
const aliases = (): string =>
  Array.from({ length: 30 }, (_, n) =>
    n === 0 ? 'a0: &a0 [x, x, x]' : `a${n}: &a${n} [*a${n - 1}, *a${n - 1}, *a${n - 1}]`,
  ).join('\n');

const ROWS: readonly Row[] = [
  // The body as such.
  post('no body', undefined, 'VALIDATION_FAILED', /body is missing/, /template, parameters, priority/),
  post('a list as body', [], 'VALIDATION_FAILED', /\[\]/, /JSON object/),
  post('text as body', '"noop"', 'VALIDATION_FAILED', /noop/, /JSON object/),
  post('null as body', 'null', 'VALIDATION_FAILED', /JSON object/),
  post('an empty JSON body', '', 'BODY_UNREADABLE', /empty/, /JSON object/),
  post('broken JSON', '{"template": "noop",', 'BODY_UNREADABLE', /not valid JSON/),
  post(
    'a body with a prototype',
    '{"template": "noop", "__proto__": {"x": 1}}',
    'BODY_UNREADABLE',
    /not valid JSON/,
  ),
  post(
    'a body of 600 KiB',
    noop({ parameters: { echo: 'x'.repeat(600 * 1024) } }),
    'BODY_TOO_LARGE',
    /524288/,
  ),
  post(
    'a body that nests too deeply',
    deep('"parameters":{"echo":', 50_000),
    'VALIDATION_FAILED',
    /18 levels/,
  ),
  post('labels that nest too deeply', deep('"labels":', 100_000), 'VALIDATION_FAILED', /18 levels/),
  {
    ...post(
      'form data',
      'template=noop',
      'MEDIA_TYPE_UNSUPPORTED',
      /x-www-form-urlencoded/,
      /application\/json/,
    ),
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
  },
  {
    ...post(
      'plain text',
      '{"template":"noop"}',
      'MEDIA_TYPE_UNSUPPORTED',
      /text\/plain/,
      /application\/json/,
    ),
    headers: { 'content-type': 'text/plain' },
  },
  {
    ...post('YAML where JSON belongs', 'template: noop', 'MEDIA_TYPE_UNSUPPORTED', /application\/json/),
    headers: { 'content-type': 'application/yaml' },
  },
  {
    ...post('no content type that is one', '{}', 'MEDIA_TYPE_UNSUPPORTED', /nonsense/, /application\/json/),
    headers: { 'content-type': 'nonsense' },
  },
  {
    ...post('a compressed body', '{}', 'MEDIA_TYPE_UNSUPPORTED', /gzip/),
    headers: { 'content-encoding': 'gzip' },
  },

  // Workflows.
  flow(
    'no body',
    undefined,
    'VALIDATION_FAILED',
    /body is missing/,
    /name, workspace, priority, labels, tasks/,
  ),
  flow('no tasks', {}, 'VALIDATION_FAILED', /tasks must be an object of 1 to 1000 tasks/, /missing/),
  flow('none at all', { tasks: {} }, 'VALIDATION_FAILED', /1 to 1000 tasks/),
  flow('a list of tasks', { tasks: [noop({})] }, 'VALIDATION_FAILED', /tasks by name/),
  flow(
    'too many tasks',
    { tasks: Object.fromEntries(Array.from({ length: 1_001 }, (_, n) => [`t${n}`, noop({})])) },
    'VALIDATION_FAILED',
    /1 to 1000 tasks/,
  ),
  flow(
    'a name that no expression could name',
    { tasks: { 'A b': noop({}) } },
    'VALIDATION_FAILED',
    /A b/,
    /lower-case letter/,
  ),
  flow(
    'an unknown field',
    { ...tasks({}), task: 1 },
    'VALIDATION_FAILED',
    /task is not a field/,
    /accepted: .*tasks/,
  ),
  flow(
    'a name of 201 characters',
    { ...tasks({}), name: 'x'.repeat(201) },
    'VALIDATION_FAILED',
    /1 to 200 characters/,
  ),
  flow(
    'a task that is text',
    tasks({ next: 'noop' }),
    'VALIDATION_FAILED',
    /tasks\.next is/,
    /noop/,
    /template, parameters, needs/,
  ),
  flow(
    'a field that tasks do not have',
    tasks({ next: noop({ depends_on: ['first'] }) }),
    'VALIDATION_FAILED',
    /tasks\.next\.depends_on is not a field/,
    /needs/,
  ),
  flow(
    'a task without a template',
    tasks({ next: {} }),
    'VALIDATION_FAILED',
    /tasks\.next\.template must be/,
  ),
  flow(
    'a priority of 11 in a task',
    tasks({ next: noop({ priority: 11 }) }),
    'VALIDATION_FAILED',
    /"path":"tasks\.next\.priority","value":11/,
  ),
  flow(
    'an unknown template',
    tasks({ next: { template: 'nope' } }),
    'TEMPLATE_UNKNOWN',
    /tasks\.next: There is no template 'nope'/,
    /"path":"tasks\.next\.template"/,
  ),
  flow(
    'needs that are text',
    tasks({ next: noop({ needs: 'first' }) }),
    'VALIDATION_FAILED',
    /tasks\.next\.needs must be a list/,
    /fail, skip, continue/,
  ),
  flow(
    'an unknown policy',
    tasks({ next: noop({ needs: [{ task: 'first', on_failure: 'retry' }] }) }),
    'VALIDATION_FAILED',
    /retry/,
    /one of fail, skip, continue/,
  ),
  flow(
    'an edge to nobody',
    tasks({ next: noop({ needs: ['first', 'frist'] }) }),
    'WORKFLOW_INVALID',
    /tasks\.next\.needs\[1\]: there is no task 'frist' in this workflow; accepted: first/,
  ),
  flow(
    'an edge to itself',
    tasks({ next: noop({ needs: ['next'] }) }),
    'WORKFLOW_INVALID',
    /tasks\.next\.needs\[0\]: 'next' is the task itself/,
  ),
  flow(
    'the same edge twice',
    tasks({ next: noop({ needs: ['first', { task: 'first' }] }) }),
    'WORKFLOW_INVALID',
    /tasks\.next\.needs\[1\]: 'first' is named twice/,
  ),
  flow(
    'a circle',
    tasks({ a: noop({ needs: ['first', 'b'] }), b: noop({ needs: ['c'] }), c: noop({ needs: ['a'] }) }),
    'WORKFLOW_INVALID',
    /tasks\.a\.needs\[1\]: the tasks need each other in a circle: a -> b -> c -> a/,
  ),
  flow(
    'too many edges',
    {
      tasks: Object.fromEntries(
        Array.from({ length: 120 }, (_, n) => [
          `t${n}`,
          noop({ needs: Array.from({ length: n }, (__, other) => `t${other}`) }),
        ]),
      ),
    },
    'WORKFLOW_INVALID',
    /7140 needs; accepted: up to 5000/,
  ),
  flow(
    'parameters that do not fit',
    tasks({ next: noop({ parameters: { delay_ms: 'long' } }) }),
    'PARAMETERS_INVALID',
    /tasks\.next: parameters\.delay_ms: 'long'/,
    /"path":"tasks\.next\.parameters\.delay_ms"/,
  ),
  flow(
    'an input that does not fit',
    tasks({ next: inference({ model: 'm', prompt: 'p', options: { num_ctx: 'x' } }) }),
    'STEP_INPUT_INVALID',
    /"path":"tasks\.next\.parameters\.options\.num_ctx"/,
  ),
  flow(
    'the result of a task that it does not need',
    tasks({ next: noop({ parameters: { echo: '{{ tasks.first.result }}' } }) }),
    'PARAMETERS_INVALID',
    /tasks\.first\.result: this task does not wait for such a task; accepted: none/,
    /"path":"tasks\.next\.parameters\.echo"/,
  ),
  flow(
    'an expression that is none',
    chained('{{ tasks.draft.result | x }}'),
    'PARAMETERS_INVALID',
    /"path":"tasks\.next\.parameters\.prompt"/,
    /undefined filter: x/,
  ),
  flow(
    'a name that is not there',
    chained('{{ steps.draft.output }}'),
    'PARAMETERS_INVALID',
    /there is no such name here; accepted: tasks\.<name>\.result/,
  ),
  flow(
    'a model that waits for a result',
    {
      tasks: {
        draft: noop({}),
        next: { ...inference({ model: '{{ tasks.draft.result }}', prompt: 'p' }), needs: ['draft'] },
      },
    },
    'PARAMETERS_INVALID',
    /it decides where step 'generate' runs \(model\), so it cannot wait for other tasks/,
    /"path":"tasks\.next\.parameters\.model"/,
  ),
  flow(
    'more than one message holds, though the body is small enough',
    {
      tasks: Object.fromEntries(
        Array.from({ length: 1_000 }, (_, n) => [
          `t${n}`,
          { template: 'two-step-summary', parameters: { model: 'm', text: 'x'.repeat(400) } },
        ]),
      ),
    },
    'BODY_TOO_LARGE',
    /makes too large a message/,
  ),
  flow('one that nests too deeply', deep('"tasks":{"a":', 50_000), 'VALIDATION_FAILED', /20 levels/),
  ...(
    [
      ['broken YAML', 'tasks: [', 'BODY_UNREADABLE', /line 1, column/],
      [
        'a name twice in YAML',
        'tasks: {}\ntasks: {}',
        'BODY_UNREADABLE',
        /line 2, column 1: 'tasks' is given twice/,
      ],
      ['a number that is none in YAML', 'tasks: { a: .inf }', 'BODY_UNREADABLE', /'a' has no place in JSON/],
      [
        'a prototype in YAML',
        'tasks: { a: { __proto__: { template: noop } } }',
        'BODY_UNREADABLE',
        /__proto__/,
      ],
      ['an empty YAML body', '', 'VALIDATION_FAILED', /JSON object with fields of: name/],
      ['aliases without end', aliases(), 'BODY_UNREADABLE', /alias/],
    ] as const
  ).map(([name, body, code, says]): Row => ({
    ...flow(name, body, code, says),
    headers: { 'content-type': 'application/yaml' },
  })),
  {
    ...flow('a key with a space', tasks({}), 'VALIDATION_FAILED', /Idempotency-Key/),
    headers: { 'idempotency-key': 'a b' },
  },
  get('a workflow id that is none', '/workflows/A%20B', 'VALIDATION_FAILED', /Workflow id 'A B'/),
  get('an unknown workflow', '/workflows/nobody', 'WORKFLOW_UNKNOWN', /'nobody'/),
  get('51 workflows on a page', '/workflows?page_size=51', 'VALIDATION_FAILED', /from 1 to 50/),
  get('a cursor that is none', '/workflows?after=x', 'CURSOR_INVALID', /'x'/),
  get(
    'a filter that workflows do not have',
    '/workflows?status=failed',
    'VALIDATION_FAILED',
    /status is not a field/,
  ),
  get(
    'tasks of a workflow whose id is none',
    '/tasks?workflow_id=A',
    'VALIDATION_FAILED',
    /workflow_id must be/,
  ),
  {
    ...get('a cancel of an unknown workflow', '/workflows/nobody', 'WORKFLOW_UNKNOWN', /'nobody'/),
    method: 'DELETE',
  },
  {
    ...get('a workflow that is replaced', '/workflows/w', 'METHOD_NOT_ALLOWED', /DELETE, GET/),
    method: 'PUT',
  },

  // Fields of a submission.
  post(
    'an unknown field',
    noop({ prioritiy: 5 }),
    'VALIDATION_FAILED',
    /prioritiy/,
    /template, parameters, priority, depends_on, labels, workspace/,
  ),
  post('no template', {}, 'VALIDATION_FAILED', /template must be/, /missing/),
  post(
    'a template that is a number',
    { template: 5 },
    'VALIDATION_FAILED',
    /"path":"template","value":5/,
    /lower-case/,
  ),
  post('a template name with a path in it', { template: '../noop' }, 'VALIDATION_FAILED', /\.\.\/noop/),
  post(
    'an unknown template',
    { template: 'nope' },
    'TEMPLATE_UNKNOWN',
    /'nope'/,
    /noop, ollama-batch-analysis/,
  ),
  post(
    'parameters that are a list',
    noop({ parameters: [] }),
    'VALIDATION_FAILED',
    /parameters must be an object/,
  ),
  post('parameters that are null', noop({ parameters: null }), 'VALIDATION_FAILED', /must be an object/),
  post('priority 0', noop({ priority: 0 }), 'VALIDATION_FAILED', /"value":0/, /from 1 to 10/),
  post('priority 11', noop({ priority: 11 }), 'VALIDATION_FAILED', /"value":11/, /from 1 to 10/),
  post('priority 5.5', noop({ priority: 5.5 }), 'VALIDATION_FAILED', /5\.5/, /whole number from 1 to 10/),
  post(
    'priority as text',
    noop({ priority: '5' }),
    'VALIDATION_FAILED',
    /"value":"5"/,
    /whole number from 1 to 10/,
  ),
  post('priority null', noop({ priority: null }), 'VALIDATION_FAILED', /whole number from 1 to 10/),
  post(
    'depends_on that is text',
    noop({ depends_on: 'a' }),
    'VALIDATION_FAILED',
    /list of at most 100 task ids/,
  ),
  post('depends_on with a bad id', noop({ depends_on: ['A B'] }), 'VALIDATION_FAILED', /A B/, /task ids/),
  post('depends_on with one task twice', noop({ depends_on: ['a', 'a'] }), 'VALIDATION_FAILED', /each once/),
  post(
    'depends_on of 101 tasks',
    noop({ depends_on: Array.from({ length: 101 }, (_, n) => `t${n}`) }),
    'VALIDATION_FAILED',
    /at most 100/,
  ),
  post('a dependency that does not exist', noop({ depends_on: ['gone'] }), 'DEPENDENCY_UNKNOWN', /gone/),
  post('labels that are a list', noop({ labels: ['a'] }), 'VALIDATION_FAILED', /labels/, /text values/),
  post('a label that is a number', noop({ labels: { a: 1 } }), 'VALIDATION_FAILED', /labels/, /text values/),
  post(
    'a label with a space in its name',
    noop({ labels: { 'a b': 'x' } }),
    'VALIDATION_FAILED',
    /a b/,
    /letters, digits/,
  ),
  post(
    '33 labels',
    noop({ labels: Object.fromEntries(Array.from({ length: 33 }, (_, n) => [`l${n}`, 'x'])) }),
    'VALIDATION_FAILED',
    /at most 32/,
  ),
  post('a workspace in capitals', noop({ workspace: 'TEAM' }), 'VALIDATION_FAILED', /TEAM/, /lower-case/),
  post(
    'a run_at that is no time',
    noop({ run_at: 'tomorrow' }),
    'VALIDATION_FAILED',
    /"value":"tomorrow"/,
    /RFC 3339, such as 2026-01-31T12:00:00Z/,
  ),
  post('a run_at without a zone', noop({ run_at: '2026-01-31T12:00:00' }), 'VALIDATION_FAILED', /RFC 3339/),
  post('a run_at that is a number', noop({ run_at: 5 }), 'VALIDATION_FAILED', /"value":5/, /RFC 3339/),
  post(
    'a run_at in the next century',
    noop({ run_at: '2126-01-31T12:00:00Z' }),
    'VALIDATION_FAILED',
    /run_at/,
    /2126-01-31/,
    /within a year/,
  ),
  post(
    'a deadline on a day that is not there',
    noop({ deadline_at: '2026-02-31T12:00:00Z' }),
    'VALIDATION_FAILED',
    /2026-02-31/,
    /deadline_at/,
  ),
  post(
    'a deadline before the start',
    noop({ run_at: '2026-01-31T12:00:00Z', deadline_at: '2026-01-31T12:30:00+01:00' }),
    'VALIDATION_FAILED',
    /deadline_at/,
    /after run_at \(2026-01-31T12:00:00.000Z\)/,
  ),
  post('no time in the queue', noop({ queue_ttl_ms: 0 }), 'VALIDATION_FAILED', /"value":0/, /from 1 to/),
  post(
    'a time in the queue as text',
    noop({ queue_ttl_ms: '30m' }),
    'VALIDATION_FAILED',
    /30m/,
    /milliseconds from 1 to 31622400000/,
  ),
  {
    ...post('an idempotency key with spaces', noop({}), 'VALIDATION_FAILED', /a b/, /1 to 255 printable/),
    headers: { 'idempotency-key': 'a b' },
  },
  {
    ...post('an idempotency key that is too long', noop({}), 'VALIDATION_FAILED', /1 to 255 printable/),
    headers: { 'idempotency-key': 'k'.repeat(256) },
  },

  // Parameters of a template.
  post(
    'an unknown parameter',
    noop({ parameters: { delay: 5 } }),
    'PARAMETERS_INVALID',
    /parameters\.delay/,
    /delay_ms, echo/,
  ),
  post(
    'a parameter of the wrong type',
    noop({ parameters: { delay_ms: '5' } }),
    'PARAMETERS_INVALID',
    /"value":"5"/,
    /whole number from 0 to 600000/,
  ),
  post(
    'a parameter out of range',
    noop({ parameters: { delay_ms: 600_001 } }),
    'PARAMETERS_INVALID',
    /600001/,
    /to 600000/,
  ),
  post(
    'a missing parameter',
    inference({ model: 'm' }),
    'PARAMETERS_INVALID',
    /parameters\.prompt/,
    /missing/,
    /a string/,
  ),
  post(
    'an option of the wrong type',
    inference({ model: 'm', prompt: 'p', options: { num_ctx: 'big' } }),
    'STEP_INPUT_INVALID',
    /parameters\.options\.num_ctx/,
    /big/,
    /whole number/,
  ),
  post(
    'a misspelt option',
    inference({ model: 'm', prompt: 'p', options: { temprature: 1 } }),
    'STEP_INPUT_INVALID',
    /temprature/,
    /temperature/,
  ),
  post(
    'parameters that nest deeper than templates take',
    deep('"parameters":{"echo":', 17),
    'PARAMETERS_INVALID',
    /16 levels/,
  ),

  // Queries.
  get('an unknown query parameter', '/tasks?state=queued', 'VALIDATION_FAILED', /state/, /status/),
  get('a query where there is none', '/templates?page=2', 'VALIDATION_FAILED', /'page'/, /none/),
  get('a query on one task', '/tasks/abc?full=1', 'VALIDATION_FAILED', /'full'/),
  get('a bad status', '/tasks?status=done', 'VALIDATION_FAILED', /done/, /queued, running, waiting/),
  get('a bad one of two statuses', '/tasks?status=queued&status=x', 'VALIDATION_FAILED', /x/, /completed/),
  get('page size 0', '/tasks?page_size=0', 'VALIDATION_FAILED', /"value":0/, /1 to 200/),
  get('page size 201', '/tasks?page_size=201', 'VALIDATION_FAILED', /201/, /1 to 200/),
  get('page size as a word', '/tasks?page_size=all', 'VALIDATION_FAILED', /all/, /1 to 200/),
  get('page size twice', '/tasks?page_size=1&page_size=2', 'VALIDATION_FAILED', /1 to 200/),
  get('a cursor that is none', '/tasks?after=nonsense', 'CURSOR_INVALID', /nonsense/),
  get('a cursor backwards that is none', '/tasks?before=%00', 'CURSOR_INVALID', /before|cursor/),
  get(
    'both cursors',
    '/tasks?after=a&before=b',
    'VALIDATION_FAILED',
    /exclude each other/,
    /after or before/,
  ),
  get('a label without a value', '/tasks?label=team', 'VALIDATION_FAILED', /team/, /name:value/),
  get(
    'a time that is none',
    '/tasks?created_from=yesterday',
    'VALIDATION_FAILED',
    /yesterday/,
    /2026-01-31T12:00:00Z/,
  ),
  get(
    'a time without a zone',
    '/tasks?created_to=2026-01-31T12:00:00',
    'VALIDATION_FAILED',
    /2026-01-31T12:00:00Z/,
  ),
  get('a bad workspace', '/tasks/status?workspace=A', 'VALIDATION_FAILED', /"A"/, /lower-case/),
  get('a page size on counts', '/tasks/status?page_size=5', 'VALIDATION_FAILED', /page_size/),
  get('a negative sequence', '/tasks/abc/events?after_seq=-1', 'VALIDATION_FAILED', /-1/, /0 or more/),
  get('too much of the queue at once', '/queue?limit=1001', 'VALIDATION_FAILED', /1001/, /1 to 1000/),
  get('too many events at once', '/tasks/abc/events?limit=1001', 'VALIDATION_FAILED', /1001/, /1 to 1000/),

  // Ids and paths.
  get('a bad task id', '/tasks/A_B', 'VALIDATION_FAILED', /A_B/, /lower-case/),
  get('a task id with dots', '/tasks/a.b', 'VALIDATION_FAILED', /a\.b/),
  get('a task id with a wildcard', '/tasks/%3E/events', 'VALIDATION_FAILED', /'>'/, /lower-case/),
  get('a task id of 65 characters', `/tasks/${'a'.repeat(65)}`, 'VALIDATION_FAILED', /1 to 64/),
  get('a path parameter of 300 characters', `/tasks/${'a'.repeat(300)}`, 'VALIDATION_FAILED', /1 to 64/),
  get('an unknown task', '/tasks/nope', 'TASK_UNKNOWN', /'?nope'?/),
  get('the history of an unknown task', '/tasks/nope/events', 'TASK_UNKNOWN', /nope/),
  get('the explanation of an unknown task', '/tasks/nope/explain', 'TASK_UNKNOWN', /nope/),
  get('the stream of an unknown task', '/tasks/nope/stream', 'TASK_UNKNOWN', /nope/),
  {
    ...get('a Last-Event-ID that is none', '/tasks/nope/stream', 'VALIDATION_FAILED', /'x'/, /whole number/),
    headers: { 'last-event-id': 'x' },
  },
  {
    ...get(
      'a Last-Event-ID behind the end',
      '/tasks/nope/stream',
      'VALIDATION_FAILED',
      /999999999/,
      /end of the log/,
    ),
    headers: { 'last-event-id': '999999999' },
  },
  get('an unknown template by name', '/templates/nope', 'TEMPLATE_UNKNOWN', /nope/, /noop/),
  get('an unknown path', '/nothing', 'ROUTE_NOT_FOUND', /\/api\/v1\/nothing/, /docs/),
  {
    name: 'an unknown path at the root',
    method: 'GET',
    path: '/',
    code: 'ROUTE_NOT_FOUND',
    says: [/\/docs/],
  },
  {
    name: 'a path that cannot be decoded',
    method: 'GET',
    path: '/api/v1/tasks/%E0%A4%A',
    code: 'ROUTE_NOT_FOUND',
    says: [/%E0%A4%A/, /UTF-8/],
  },

  // Methods.
  {
    name: 'PUT of a task',
    method: 'PUT',
    path: '/api/v1/tasks/abc',
    body: {},
    code: 'METHOD_NOT_ALLOWED',
    says: [/PUT/, /DELETE, GET/],
  },
  {
    name: 'DELETE of all tasks',
    method: 'DELETE',
    path: '/api/v1/tasks',
    code: 'METHOD_NOT_ALLOWED',
    says: [/DELETE/, /GET, HEAD, POST/],
  },
  {
    name: 'POST to templates',
    method: 'POST',
    path: '/api/v1/templates',
    body: {},
    code: 'METHOD_NOT_ALLOWED',
    says: [/POST/, /GET/],
  },
  {
    name: 'a drain of an unknown server',
    method: 'POST',
    path: '/api/v1/servers/nope/drain',
    code: 'SERVER_UNKNOWN',
    says: [/nope/],
  },
  {
    name: 'a server without anything',
    method: 'PUT',
    path: '/api/v1/servers/attic',
    code: 'VALIDATION_FAILED',
    says: [/body is missing/, /url, vram, slots/],
  },
  {
    name: 'a server at an address that is none',
    method: 'PUT',
    path: '/api/v1/servers/attic',
    body: { url: 'ftp://host', vram: '24GiB' },
    code: 'VALIDATION_FAILED',
    says: [/ftp:\/\/host/, /http:\/\/host:port/],
  },
  {
    name: 'a server with a field that there is not',
    method: 'PUT',
    path: '/api/v1/servers/attic',
    body: { url: 'http://host:1', vram: '24GiB', gpu: 1 },
    code: 'VALIDATION_FAILED',
    says: [/gpu/, /pull_missing/],
  },
  {
    name: 'a server in the place of the CPU slots',
    method: 'PUT',
    path: '/api/v1/servers/cpu',
    body: { url: 'http://host:1', vram: '24GiB' },
    code: 'VALIDATION_FAILED',
    says: [/cpu/],
  },
  {
    name: 'a removal of an unknown server',
    method: 'DELETE',
    path: '/api/v1/servers/nope',
    code: 'SERVER_UNKNOWN',
    says: [/nope/],
  },
  {
    name: 'a removal of a server of the file',
    method: 'DELETE',
    path: '/api/v1/servers/cpu',
    code: 'SERVER_IN_FILE',
    says: [/cpu/, /servers file/],
  },
  {
    name: 'a resume of what is no server id',
    method: 'POST',
    path: '/api/v1/servers/Not%20one/resume',
    code: 'VALIDATION_FAILED',
    says: [/Not one/, /lower-case letters/],
  },
  {
    name: 'GET of a priority',
    method: 'GET',
    path: '/api/v1/tasks/abc/priority',
    code: 'METHOD_NOT_ALLOWED',
    says: [/PATCH/],
  },
  {
    name: 'OPTIONS',
    method: 'OPTIONS',
    path: '/api/v1/servers',
    code: 'METHOD_NOT_ALLOWED',
    says: [/OPTIONS/, /GET/],
  },
  {
    name: 'a method that few know',
    method: 'PROPFIND',
    path: '/api/v1/tasks',
    code: 'METHOD_NOT_ALLOWED',
    says: [/PROPFIND/, /POST/],
  },

  // Changing tasks.
  {
    name: 'a priority of an unknown task',
    method: 'PATCH',
    path: '/api/v1/tasks/nope/priority',
    body: { priority: 5 },
    code: 'TASK_UNKNOWN',
    says: [/nope/],
  },
  {
    name: 'no priority',
    method: 'PATCH',
    path: '/api/v1/tasks/abc/priority',
    body: {},
    code: 'VALIDATION_FAILED',
    says: [/priority/, /1 to 10/],
  },
  {
    name: 'a priority too many fields',
    method: 'PATCH',
    path: '/api/v1/tasks/abc/priority',
    body: { priority: 5, reason: 'x' },
    code: 'VALIDATION_FAILED',
    says: [/reason/],
  },
  {
    name: 'cancelling an unknown task',
    method: 'DELETE',
    path: '/api/v1/tasks/nope',
    code: 'TASK_UNKNOWN',
    says: [/nope/],
  },
  {
    name: 'cancelling a bad id',
    method: 'DELETE',
    path: '/api/v1/tasks/Nope',
    code: 'VALIDATION_FAILED',
    says: [/Nope/, /lower-case/],
  },

  // Running again.
  rerunning('an unknown task', 'nope', {}, 'TASK_UNKNOWN', /'nope'/),
  rerunning('a bad id', 'Nope', {}, 'VALIDATION_FAILED', /Nope/, /lower-case/),
  rerunning('no body', 'nope', undefined, 'VALIDATION_FAILED', /body is missing/, /from_step/),
  rerunning(
    'a step that can be none',
    'nope',
    { from_step: 'A b' },
    'VALIDATION_FAILED',
    /A b/,
    /id of a step/,
  ),
  rerunning('a step that is a number', 'nope', { from_step: 2 }, 'VALIDATION_FAILED', /"value":2/),
  rerunning('an unknown field', 'nope', { priority: 9 }, 'VALIDATION_FAILED', /priority/, /from_step/),
  {
    ...rerunning('a bad key', 'nope', {}, 'VALIDATION_FAILED', /a b/, /1 to 255 printable/),
    headers: { 'idempotency-key': 'a b' },
  },
  {
    name: 'GET of a rerun',
    method: 'GET',
    path: '/api/v1/tasks/abc/rerun',
    code: 'METHOD_NOT_ALLOWED',
    says: [/GET/, /POST/],
  },

  // Pausing.
  pausing('no scope', 'nothing', {}, 'VALIDATION_FAILED', /nothing/, /queue, workspace:<name>/),
  pausing('a scope in capitals', 'workspace:TEAM', {}, 'VALIDATION_FAILED', /TEAM/, /lower-case/),
  pausing('a task', 'task:abc', {}, 'VALIDATION_FAILED', /task:abc/, /server:<id>/),
  pausing('an unknown server', 'server:gpu9', {}, 'SERVER_UNKNOWN', /'gpu9'/, /api\/v1\/servers/),
  pausing('no body', 'queue', undefined, 'VALIDATION_FAILED', /body is missing/, /reason, by/),
  pausing('a reason that is a number', 'queue', { reason: 5 }, 'VALIDATION_FAILED', /reason/, /1 to 500/),
  pausing('a name of two lines', 'queue', { by: 'a\nb' }, 'VALIDATION_FAILED', /by must be text/),
  pausing('an unknown field', 'queue', { until: '2026-01-31' }, 'VALIDATION_FAILED', /until/, /reason, by/),
  {
    name: 'resuming what is not paused',
    method: 'DELETE',
    path: '/api/v1/pauses/queue',
    code: 'PAUSE_UNKNOWN',
    says: [/'queue'/, /nothing/],
  },
  {
    name: 'resuming no scope',
    method: 'DELETE',
    path: '/api/v1/pauses/all?by=ada',
    code: 'VALIDATION_FAILED',
    says: [/'all'/, /template:<name>/],
  },
  {
    name: 'POST to the pauses',
    method: 'POST',
    path: '/api/v1/pauses',
    body: { scope: 'queue' },
    code: 'METHOD_NOT_ALLOWED',
    says: [/POST/, /GET/],
  },

  // Notifications.
  get(
    'notifications of a status that is none',
    '/notifications/deliveries?status=lost',
    'VALIDATION_FAILED',
    /lost/,
    /pending, delivered, failed/,
  ),
  get(
    'notifications by a cursor of another kind',
    '/notifications/deliveries?after=abc',
    'CURSOR_INVALID',
    /'abc'/,
    /next/,
  ),
  get(
    'a notification that is not there',
    '/notifications/deliveries/msg-1',
    'DELIVERY_UNKNOWN',
    /'msg-1'/,
    /30 days/,
  ),
  {
    ...post(
      'testing a channel that is not there',
      { channel: 'ops' },
      'CHANNEL_UNKNOWN',
      /'ops'/,
      /there are: none/,
    ),
    path: '/api/v1/notifications/test',
  },
  {
    ...post('testing no channel', {}, 'VALIDATION_FAILED', /channel/, /lower-case/),
    path: '/api/v1/notifications/test',
  },

  // Moving.
  moving('to nowhere', 'abc', {}, 'VALIDATION_FAILED', /no place/, /exactly one of to, before, after/),
  moving('to two places', 'abc', { to: 'front', after: 'b' }, 'VALIDATION_FAILED', /to and after/),
  moving('to the middle', 'abc', { to: 'middle' }, 'VALIDATION_FAILED', /to must be front or back/),
  moving('before no id', 'abc', { before: 'A B' }, 'VALIDATION_FAILED', /before/, /lower-case/),
  moving('before null', 'abc', { before: null }, 'VALIDATION_FAILED', /before/, /lower-case/),
  moving('without a body', 'abc', undefined, 'VALIDATION_FAILED', /body is missing/, /to, before, after/),
  moving('for a reason that is a number', 'abc', { to: 'front', reason: 5 }, 'VALIDATION_FAILED', /reason/),
  moving('with an unknown field', 'abc', { to: 'front', place: 3 }, 'VALIDATION_FAILED', /place/),
  moving('what is no id', 'A B', { to: 'front' }, 'VALIDATION_FAILED', /'A B'/),
  moving('a task that nobody submitted', 'nobody', { to: 'front' }, 'TASK_UNKNOWN', /'nobody'/),

  // Cancelling by filter.
  cancelling('nothing that narrows it', {}, /filter is needed/, /workspace, template, labels/),
  cancelling('a reason alone', { reason: 'x' }, /filter is needed/),
  cancelling('an unknown filter', { id: 'abc' }, /id is not a field/, /workspace, template/),
  cancelling('a status that is over', { status: ['failed'] }, /failed/, /queued, running/),
  cancelling('no status', { status: [] }, /list of queued, running/),
  cancelling('labels that are a list', { labels: ['a'] }, /labels/, /text values/),
  cancelling('a priority out of range', { priority_min: 11 }, /"value":11/, /1 to 10/),
  cancelling('too many at once', { workspace: 'lab', limit: 10_001 }, /10001/, /1 to 10000/),
  cancelling('a reason of two lines', { workspace: 'lab', reason: 'a\nb' }, /reason/, /line breaks/),

  // Checking templates.
  {
    name: 'nothing to check',
    method: 'POST',
    path: '/api/v1/templates/validate',
    body: {},
    code: 'VALIDATION_FAILED',
    says: [/template_name/],
  },
  {
    name: 'a check against an unknown template',
    method: 'POST',
    path: '/api/v1/templates/validate?template_name=nope',
    body: { parameters: {} },
    code: 'TEMPLATE_UNKNOWN',
    says: [/nope/, /noop/],
  },
  {
    name: 'a check of wrong parameters',
    method: 'POST',
    path: '/api/v1/templates/validate?template_name=noop',
    body: { parameters: { delay_ms: -1 } },
    code: 'PARAMETERS_INVALID',
    says: [/"value":-1/, /from 0 to/],
  },
  {
    name: 'a template with a cycle',
    method: 'POST',
    path: '/api/v1/templates/validate',
    body: {
      template:
        'name: t\nsteps:\n  - { id: a, type: noop, needs: [b] }\n  - { id: b, type: noop, needs: [a] }\n',
    },
    code: 'TEMPLATE_INVALID',
    says: [/line 3, column 33/, /a → b → a/],
  },
  {
    name: 'a template as an object with a mistake',
    method: 'POST',
    path: '/api/v1/templates/validate',
    body: { template: { name: 't', steps: [{ id: 'a', type: 'x' }] } },
    code: 'TEMPLATE_INVALID',
    says: [/'x' is not a step type/, /noop/],
  },
  {
    name: 'a template in YAML with a mistake',
    method: 'POST',
    path: '/api/v1/templates/validate',
    headers: { 'content-type': 'application/yaml' },
    body: 'name: t\nsteps: []\n',
    code: 'TEMPLATE_INVALID',
    says: [/line 2/, /1 to 100/],
  },
  {
    name: 'a template that retries on an unknown error',
    method: 'POST',
    path: '/api/v1/templates/validate',
    body: { template: 'name: t\nsteps:\n  - { id: a, type: noop, retry: { on: [always] } }\n' },
    code: 'TEMPLATE_INVALID',
    says: [/line 3, column 40/, /'always' is no class/, /server, model, network, timeout/],
  },
  {
    name: 'a template that is a number',
    method: 'POST',
    path: '/api/v1/templates/validate',
    body: { template: 5 },
    code: 'VALIDATION_FAILED',
    says: [/text of a template/],
  },
];

const expectProblem = (answer: { status: number; headers: object; json: unknown }, code: ErrorCode): void => {
  expect(answer).toMatchObject({
    status: ERRORS[code].http,
    headers: { 'content-type': expect.stringMatching(/^application\/problem\+json/) },
    json: {
      type: `urn:ai-task-orchestra:error:${code.toLowerCase().replaceAll('_', '-')}`,
      title: ERRORS[code].title,
      status: ERRORS[code].http,
      code,
    },
  });
};

describe('a bad request', () => {
  let platform: TestPlatform;
  beforeAll(async () => {
    platform = await TestPlatform.start();
  }, 60_000);
  afterAll(async () => {
    await platform?.stop();
  }, 60_000);

  it('is shown here in at least 60 ways', () => expect(ROWS.length).toBeGreaterThanOrEqual(60));

  it.each(ROWS)('is refused for $name', async ({ code, says, ...request }) => {
    const answer = await send(platform.url, request);
    expectProblem(answer, code);
    const { detail, instance } = answer.json as { detail: string; instance: string };
    expect(detail).not.toBe('');
    expect(request.path.startsWith(instance)).toBe(true);
    for (const said of says) expect(answer.text).toMatch(said);
    expect(answer.text.length).toBeLessThan(8_000);
    if (code === 'METHOD_NOT_ALLOWED') expect(answer.headers['allow']).toMatch(/^[A-Z, ]+$/);
  });

  it('changed nothing: no task was made', async () => {
    const { json } = await send(platform.url, { method: 'GET', path: '/api/v1/tasks' });
    expect(json).toEqual({ items: [], next: null, previous: null });
    expect(platform.failures).toEqual([]);
  });

  it.each([
    [
      'headers of 20 KB',
      `GET / HTTP/1.1\r\nhost: x\r\nx: ${'y'.repeat(20_000)}\r\n\r\n`,
      431,
      'HEADERS_TOO_LARGE',
      /16384/,
    ],
    ['no HTTP at all', 'hello\r\n\r\n', 400, 'REQUEST_MALFORMED', /HTTP\/1\.1/],
    [
      'two lengths',
      'POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab',
      400,
      'REQUEST_MALFORMED',
      /HTTP\/1\.1/,
    ],
    ['an unknown method', 'BREW /pot HTTP/1.1\r\nhost: x\r\n\r\n', 400, 'REQUEST_MALFORMED', /HTTP\/1\.1/],
  ])('is refused for %s, though it is not even a request', async (_, bytes, status, code, says) => {
    const answer = await sendRaw(platform.url, bytes);
    expect(answer).toMatch(
      new RegExp(`^HTTP/1.1 ${status} [\\s\\S]*application/problem\\+json[\\s\\S]*"code":"${code}"`),
    );
    expect(answer).toMatch(says);
  });
});

describe('where a key is needed', () => {
  let platform: TestPlatform;
  beforeAll(async () => {
    platform = await TestPlatform.start({ ORCHESTRA_API_KEY: KEY });
  }, 60_000);
  afterAll(async () => {
    await platform?.stop();
  }, 60_000);

  const list = (headers: Record<string, string>, path = '/api/v1/tasks') =>
    send(platform.url, { method: 'GET', path, headers });

  it.each([
    ['no key', {}, 'API_KEY_MISSING'],
    ['an empty key', { 'x-api-key': '' }, 'API_KEY_MISSING'],
    ['another scheme', { authorization: `Basic ${KEY}` }, 'API_KEY_MISSING'],
    ['a wrong key', { 'x-api-key': 'wrong' }, 'API_KEY_WRONG'],
    ['a wrong bearer', { authorization: 'Bearer wrong' }, 'API_KEY_WRONG'],
    ['the beginning of the key', { 'x-api-key': KEY.slice(0, -1) }, 'API_KEY_WRONG'],
  ] as const)('a request with %s is refused, and not told the key', async (_, headers, code) => {
    for (const path of ['/api/v1/tasks', '/health/ready', '/metrics', '/docs', '/openapi.json', '/nothing']) {
      const answer = await list(headers, path);
      expectProblem(answer, code);
      expect(answer.headers['www-authenticate']).toMatch(/^Bearer/);
      expect(answer.text).toMatch(/X-API-Key/);
      expect(answer.text).not.toContain(KEY);
    }
  });

  it('either header opens, and being alive needs no key', async () => {
    expect((await list({ 'x-api-key': KEY })).status).toBe(200);
    expect((await list({ authorization: `Bearer ${KEY}` })).status).toBe(200);
    expect((await list({}, '/health/live')).status).toBe(200);
  });
});
