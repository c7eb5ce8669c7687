/**
 * The import matrix: who may import whom. Everything not listed is an error.
 * npm packages a library may use are named, so that a new one is a decision and not an accident.
 */
const spec = '\\.spec\\.ts$|\\.conformance\\.ts$';
const only = (name, from, allowed, comment) => ({
  name,
  comment,
  severity: 'error',
  from: { path: `^${from}/`, pathNot: spec },
  to: { pathNot: allowed },
});
const npm = (...names) => names.map((n) => `node_modules/${n}(/|$)`);

export default {
  forbidden: [
    { name: 'no-cycle', severity: 'error', from: {}, to: { circular: true } },
    // The peer of the throughput bench is installed by that bench, in a folder of its own.
    {
      name: 'no-unresolved',
      severity: 'error',
      from: { pathNot: '^test/bench/bullmq-peer' },
      to: { couldNotResolve: true },
    },
    only('domain-is-pure', 'libs/domain', ['^libs/domain/'], 'No npm import, no node:*.'),
    only('contracts', 'libs/contracts', ['^libs/domain/', '^libs/contracts/'], 'Shapes and names only.'),
    only(
      'template',
      'libs/template',
      [
        '^libs/(domain|contracts|template)/',
        '^node:',
        '^(crypto|fs|fs/promises|path|os|vm)$',
        ...npm('yaml', 'ajv', 'ajv-formats', 'liquidjs', 'chokidar'),
      ],
      'Templates know YAML, Ajv and Liquid.',
    ),
    only(
      'event-log',
      'libs/event-log',
      [
        '^libs/(domain|contracts|event-log)/',
        '^(crypto|buffer|zlib|timers|timers/promises|util|events)$',
        ...npm('@nats-io', '@nestjs', 'reflect-metadata', 'rxjs'),
      ],
      'NATS lives here.',
    ),
    only(
      'artifacts',
      'libs/artifacts',
      [
        '^libs/(domain|contracts|event-log|artifacts)/',
        '^libs/runtime/settings',
        '^(crypto|buffer)$',
        ...npm('@nats-io'),
      ],
      'Large data in the object store of the broker.',
    ),
    only(
      'audit',
      'libs/audit',
      ['^libs/(domain|contracts|audit)/', '^crypto$'],
      'Folds of its own; of the domain it takes shapes, and the one digest of its state.',
    ),
    only(
      'simulation',
      'libs/simulation',
      ['^libs/(domain|simulation)/'],
      'Runs the real policy against virtual servers, under a virtual clock: no npm import, no node:*.',
    ),
    only(
      'policy-file',
      'libs/policy-file',
      ['^libs/(domain|policy-file)/', ...npm('yaml')],
      'The settings of the policy as YAML.',
    ),
    only(
      'answer-links',
      'libs/answer-links',
      ['^libs/(domain|answer-links)/', '^(crypto|fs/promises|path)$'],
      'Links by which questions are answered, and their key.',
    ),
    only('cron', 'libs/cron', ['^libs/(domain|cron)/', ...npm('croner')], 'Cron expressions and time zones.'),
    only(
      'servers-file',
      'libs/servers-file',
      ['^libs/(domain|contracts|servers-file)/', ...npm('yaml')],
      'The list of servers as YAML.',
    ),
    only(
      'secrets',
      'libs/secrets',
      [
        '^libs/(domain|secrets)/',
        '^libs/runtime/settings',
        '^(crypto|fs|fs/promises|path|buffer|url|util)$',
        ...npm('yaml'),
      ],
      'Where values of secrets are read, kept and taken out again.',
    ),
    only(
      'notifications-file',
      'libs/notifications-file',
      ['^libs/(domain|contracts|template|outgoing-http|notifications-file)/'],
      'Channels and rules of notifications as YAML.',
    ),
    only(
      'plugins',
      'libs/plugins',
      [
        '^libs/(domain|contracts|template|plugins)/',
        '^(child_process|fs/promises|module|path|url|worker_threads)$',
        ...npm('@nats-io'),
      ],
      'Step types of others: what they say of themselves, and a process for each of their runs.',
    ),
    only(
      'plugin-sdk',
      'libs/plugin-sdk',
      ['^libs/(contracts|plugins|plugin-sdk)/', '^(path|url)$'],
      'What authors of step types import.',
    ),
    only(
      'broker',
      'libs/broker',
      ['^libs/(domain|contracts|broker)/', '^[a-z_/]+$', ...npm('@nats-io')],
      'Finding, configuring and running the NATS server lives here.',
    ),
    only(
      'model-runner',
      'libs/model-runner',
      [
        '^libs/(domain|contracts|model-runner)/',
        '^(crypto|stream|stream/promises|http|https|timers|timers/promises|string_decoder)$',
        ...npm('axios'),
      ],
      'HTTP to inference servers lives here.',
    ),
    only(
      'outgoing-http',
      'libs/outgoing-http',
      [
        '^libs/(domain|outgoing-http|secrets)/',
        '^(dns|http|https|net|stream)$',
        ...npm('axios', 'ipaddr.js'),
      ],
      'Requests to addresses that others name, and where they may go.',
    ),
    only(
      'runtime',
      'libs/runtime',
      [
        '^libs/(runtime|domain|contracts|event-log)/',
        '^[a-z_/]+$',
        ...npm(
          '@nestjs',
          '@nats-io',
          'rxjs',
          'pino',
          'prom-client',
          'reflect-metadata',
          'fastify',
          'chokidar',
        ),
      ],
      'Process plumbing, no product words.',
    ),
    ...['gateway', 'scheduler', 'gpu-allocator', 'executor', 'results', 'orchestra'].map((app) => ({
      name: `app-${app}`,
      severity: 'error',
      from: { path: `^apps/${app}/`, pathNot: spec },
      to: {
        path: ['^apps/', '^libs/testing/', '^test/'],
        pathNot: [`^apps/${app}/`, ...(app === 'orchestra' ? ['^libs/testing/ollama-simulator/'] : [])],
      },
    })),
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^dist/' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['source', 'import', 'node', 'default'],
    },
  },
};
