import { integer, oneOf, optionalText, text } from '#libs/runtime/settings.js';

/** What steps that touch files and programs may do on this machine. The defaults are what is safe where strangers write templates. */
export const PROGRAM_SETTINGS = {
  workDir: optionalText({
    env: 'ORCHESTRA_WORK_DIR',
    meaning:
      'Folder with the workspaces of running tasks; default: work in the data folder. Executors that share it share the workspaces.',
  }),
  workspaceMaxBytes: integer({
    env: 'ORCHESTRA_WORKSPACE_MAX_BYTES',
    meaning: 'Most that the workspace of a task may hold, as disk space; also the largest file in it.',
    fallback: 1024 * 1024 * 1024,
    min: 1024 * 1024,
    max: 1024 ** 4,
    unit: 'bytes',
  }),
  readRoots: optionalText({
    env: 'ORCHESTRA_READ_ROOTS',
    meaning:
      'Folders besides the workspace from which `read_files` may read, as absolute paths with : between them. Whoever may submit tasks may read them.',
    pattern: /^\/[^:]*(:\/[^:]*)*$/,
    accepts: 'absolute paths with : between them',
  }),
  unsandboxed: oneOf({
    env: 'ORCHESTRA_UNSANDBOXED',
    meaning:
      'Whether programs of steps run where no sandbox works (bubblewrap is missing, or the system forbids it). They can do then whatever the executor can.',
    fallback: 'refuse',
    values: ['refuse', 'allow'],
  }),
  interpreters: text({
    env: 'ORCHESTRA_SCRIPT_INTERPRETERS',
    meaning:
      'Interpreters that scripts may name, of those in /usr/local/bin, /usr/bin and /bin; node is the one that the executor runs on.',
    fallback: 'bash,sh,python3,node',
    pattern: /^[a-z0-9][a-z0-9._+-]{0,31}(,[a-z0-9][a-z0-9._+-]{0,31}){0,31}$/,
    accepts: 'names of programs with , between them',
  }),
  scriptNetwork: oneOf({
    env: 'ORCHESTRA_SCRIPT_NETWORK',
    meaning:
      'Whether a script that asks for the network gets it. It is the network of the machine, with its loopback and its neighbours.',
    fallback: 'refuse',
    values: ['refuse', 'allow'],
  }),
  programTimeoutMaxMs: integer({
    env: 'ORCHESTRA_PROGRAM_TIMEOUT_MAX_MS',
    meaning: 'Longest `timeout_ms` that a step with a program may ask for.',
    fallback: 3_600_000,
    min: 1_000,
    max: 86_400_000,
    unit: 'milliseconds',
  }),
  programMemoryMaxBytes: integer({
    env: 'ORCHESTRA_PROGRAM_MEMORY_MAX_BYTES',
    meaning: 'Memory that all processes of one program may hold together.',
    fallback: 1024 * 1024 * 1024,
    min: 64 * 1024 * 1024,
    max: 1024 ** 4,
    unit: 'bytes',
  }),
  programProcessesMax: integer({
    env: 'ORCHESTRA_PROGRAM_PROCESSES_MAX',
    meaning: 'Processes and threads that one program may have at once.',
    fallback: 128,
    min: 8,
    max: 100_000,
  }),
  programsMax: integer({
    env: 'ORCHESTRA_PROGRAMS_MAX',
    meaning: 'Programs of steps that one executor runs at once; further ones wait.',
    fallback: 4,
    min: 1,
    max: 1_000,
  }),
  pluginsDir: optionalText({
    env: 'ORCHESTRA_PLUGINS_DIR',
    meaning:
      'Folder with step types of your own: each .mjs or .js file in it is a module that the executor loads at its start. All executors need the same.',
  }),
  pluginPackages: optionalText({
    env: 'ORCHESTRA_PLUGIN_PACKAGES',
    meaning: 'Npm packages with step types, as they are found from the working folder, with commas between.',
    pattern: /^(@[a-z0-9._-]+\/)?[a-z0-9._-]+(,(@[a-z0-9._-]+\/)?[a-z0-9._-]+){0,63}$/,
    accepts: 'names of packages with , between them',
  }),
  pluginMemoryMaxBytes: integer({
    env: 'ORCHESTRA_PLUGIN_MEMORY_MAX_BYTES',
    meaning:
      'Heap that one run of a step type of your own may fill. Buffers outside of the heap are not counted.',
    fallback: 256 * 1024 * 1024,
    min: 16 * 1024 * 1024,
    max: 64 * 1024 ** 3,
    unit: 'bytes',
  }),
  pluginTimeoutMs: integer({
    env: 'ORCHESTRA_PLUGIN_TIMEOUT_MS',
    meaning:
      'Longest that one run of a step type of your own may take in an executor; `timeout` of its step may be shorter.',
    fallback: 3_600_000,
    min: 1_000,
    max: 86_400_000,
    unit: 'milliseconds',
  }),
  gitProtocols: text({
    env: 'ORCHESTRA_GIT_PROTOCOLS',
    meaning:
      'Protocols of repositories that `git_clone` fetches: https (to the public internet and to what ORCHESTRA_HTTP_ALLOW names), and file for folders of this machine, all that the executor can read.',
    fallback: 'https',
    pattern: /^(https|file)(,(https|file))?$/,
    accepts: 'https and file with , between them',
  }),
};
