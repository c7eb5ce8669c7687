/**
 * Projects by cost: unit (no process, no socket), it (one real server), e2e (the five services). `ollama` needs a real
 * Ollama and is run by `npm run test:ollama` alone.
 */
const swc = [
  '@swc/jest',
  {
    jsc: {
      target: 'es2022',
      keepClassNames: true,
      parser: { syntax: 'typescript', decorators: true },
      transform: { legacyDecorator: true, decoratorMetadata: true },
    },
    module: { type: 'es6' },
  },
];

const project = (displayName, testMatch, extra = {}) => ({
  displayName,
  testMatch,
  rootDir: '.',
  testEnvironment: 'node',
  // Not 'import': Jest adds that for imports itself, and a require() that found an ES module breaks packages such as pg.
  testEnvironmentOptions: { customExportConditions: ['source', 'node', 'node-addons'] },
  extensionsToTreatAsEsm: ['.ts'],
  moduleNameMapper: { '^(\\.{1,2}/.*)\\.js$': '$1' },
  transform: { '^.+\\.ts$': swc },
  modulePathIgnorePatterns: ['<rootDir>/dist/', '<rootDir>/data/'],
  ...extra,
});

export default {
  // A limit for what hangs; laws over thousands of histories reach half a minute on a busy machine.
  testTimeout: 120_000,
  projects: [
    project('unit', ['<rootDir>/{apps,libs,test}/**/*.spec.ts'], {
      testPathIgnorePatterns: [
        '\\.it\\.spec\\.ts$',
        '\\.e2e\\.spec\\.ts$',
        '\\.ollama\\.spec\\.ts$',
        '/node_modules/',
      ],
    }),
    project('it', ['<rootDir>/{apps,libs,test}/**/*.it.spec.ts']),
    project('ollama', ['<rootDir>/test/ollama/**/*.ollama.spec.ts']),
    project('e2e', ['<rootDir>/test/e2e/**/*.e2e.spec.ts']),
  ],
};
