/** A file or folder of this machine that a program sees. */
export type Mount = { readonly source: string; readonly target: string; readonly writable: boolean };

/** What a bubblewrap can do beyond what all of them can. */
export type BwrapFeatures = { readonly disableUserns: boolean; readonly sizedTmpfs: boolean };

export type SandboxPlan = {
  readonly features: BwrapFeatures;
  readonly mounts: readonly Mount[];
  /** Working folder, as the program sees it. */
  readonly folder: string;
  readonly network: boolean;
  /** System folders as they are here: `usr` where it is one, a link such as `bin` → `usr/bin` as a link. */
  readonly system: readonly SystemEntry[];
};

export type SystemEntry =
  | { readonly kind: 'folder'; readonly path: string }
  | { readonly kind: 'link'; readonly path: string; readonly to: string };

/** What names hosts and certificates, and nothing else of /etc: there are secrets in it. */
const NETWORK_FILES = [
  '/etc/resolv.conf',
  '/etc/hosts',
  '/etc/nsswitch.conf',
  '/etc/ssl/certs',
  '/etc/ssl/openssl.cnf',
  '/etc/pki/tls/certs',
  '/etc/pki/ca-trust/extracted',
];
const SYSTEM_FILES = ['/etc/ld.so.cache', '/etc/alternatives'];

/** Enough for what needs shared memory by name; it is memory that no process is charged for. */
const SHARED_MEMORY_BYTES = 16 * 1024 * 1024;

/** An id that nobody has; the files of the workspace belong to it, because it stands for the executor's own. */
const INSIDE_ID = '1000';

/**
 * Arguments of bubblewrap up to the program: nothing of this machine but system folders to read, the mounts, and devices that hold
 * nothing. Each remount closes a file system in memory or of the kernel: even without capabilities, root's user id may write
 * settings below /proc/sys, and what may be written in memory is memory that no limit counts.
 */
export const sandboxArguments = ({
  features,
  mounts,
  folder,
  network,
  system,
}: SandboxPlan): readonly string[] => [
  '--unshare-all',
  '--unshare-user',
  ...(network ? ['--share-net'] : []),
  ...(features.disableUserns ? ['--disable-userns'] : []),
  '--die-with-parent',
  '--new-session',
  '--cap-drop',
  'ALL',
  '--uid',
  INSIDE_ID,
  '--gid',
  INSIDE_ID,
  '--hostname',
  'sandbox',
  '--clearenv',
  ...system.flatMap((entry) =>
    entry.kind === 'link' ? ['--symlink', entry.to, entry.path] : ['--ro-bind', entry.path, entry.path],
  ),
  ...[...SYSTEM_FILES, ...(network ? NETWORK_FILES : [])].flatMap((file) => ['--ro-bind-try', file, file]),
  '--proc',
  '/proc',
  '--remount-ro',
  '/proc',
  '--dev',
  '/dev',
  ...(features.sizedTmpfs ? ['--size', String(SHARED_MEMORY_BYTES), '--tmpfs', '/dev/shm'] : []),
  '--remount-ro',
  '/dev',
  ...mounts.flatMap(({ source, target, writable }) => [writable ? '--bind' : '--ro-bind', source, target]),
  '--remount-ro',
  '/',
  '--chdir',
  folder,
];

/** What one process may take; what all of them take together is watched (process-watch.ts). */
export type ProcessLimits = {
  readonly memoryBytes: number;
  readonly cpuSeconds: number;
  readonly fileBytes: number;
  /** Null without a sandbox: there everything that this user runs would count. */
  readonly processes: number | null;
};

const OPEN_FILES_MAX = 1024;

/**
 * Arguments of prlimit(1). It runs inside of the sandbox, where processes are counted from none, and without the step's variables,
 * one of which (LD_PRELOAD) could otherwise make another program of it. Data, not address space: runtimes reserve far more than they use.
 */
export const limitArguments = (limits: ProcessLimits): readonly string[] => [
  `--data=${limits.memoryBytes}`,
  `--cpu=${limits.cpuSeconds}`,
  `--fsize=${limits.fileBytes}`,
  ...(limits.processes === null ? [] : [`--nproc=${limits.processes}`]),
  `--nofile=${OPEN_FILES_MAX}`,
  '--core=0',
  '--msgqueue=0',
  '--',
];
