import { isId, type ServerId, type WorkspaceId } from '../ids.js';

/** Nothing new starts in its scope; what runs goes on, and what waits keeps its place and its age. */
export type Pause = {
  readonly scope: PauseScope;
  readonly reason: string;
  readonly by: string;
  readonly since: string;
};

/** What a pause is about: everything, a workspace, the tasks of a template, or a server. */
export type PauseScope = 'queue' | `${(typeof KINDS)[number]}:${string}`;
const KINDS = ['workspace', 'template', 'server'] as const;

export const SCOPES_ACCEPTED =
  'queue, workspace:<name>, template:<name> or server:<id>, with a name of lower-case letters, digits and -';

/** The scope that a text names; null for one that is none. */
export const scopeOf = (text: string): PauseScope | null => {
  const [kind = '', ...names] = text.split(':');
  const named = KINDS.some((known) => known === kind) && isId(names.join(':'));
  return text === 'queue' || named ? (text as PauseScope) : null;
};

export type Pauses = ReadonlyMap<PauseScope, Pause>;

type Paused = { readonly workspace: WorkspaceId; readonly template: { readonly name: string } };

/** The pause that a task itself is under: of everything, its workspace or its template. */
export const pauseOfTask = (task: Paused, pauses: Pauses): Pause | undefined =>
  pauses.size === 0 ? undefined : (pauses.get('queue') ?? pauseOfGroup(task, pauses));

/** The same without that of everything, which does not change which steps are ready. */
export const pauseOfGroup = ({ workspace, template }: Paused, pauses: Pauses): Pause | undefined =>
  pauses.size === 0
    ? undefined
    : (pauses.get(`workspace:${workspace}`) ?? pauses.get(`template:${template.name}`));

export const pauseOfServer = (serverId: ServerId, pauses: Pauses): Pause | undefined =>
  pauses.get(`server:${serverId}`);

/** Whether a pause of this scope changes which steps are ready. */
export const isOfGroup = (scope: PauseScope): boolean =>
  scope.startsWith('workspace:') || scope.startsWith('template:');
