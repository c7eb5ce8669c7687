import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { text as textOfStream } from 'node:stream/consumers';
import { childProblems, type TemplateText } from '#libs/template/check-children.js';
import { compileTemplate } from '#libs/template/compile-template.js';
import type { TemplateProblem } from '#libs/template/compiled-template.js';
import { TEMPLATE_LIMITS } from '#libs/template/limits.js';
import { TEMPLATE_FILE } from '#libs/template/template-folder.js';
import { CommandError, EXIT } from '../exit-codes.js';

export type Finding = TemplateProblem & { readonly severity: 'error' | 'warning' };

export type LintReport = {
  readonly files: number;
  readonly errors: number;
  readonly warnings: number;
  /** By file and place. */
  readonly findings: readonly Finding[];
};

/** Checks files, and folders as a gateway reads them, by the same functions. `-` is stdin. Nothing else is needed for it. */
export const lint = async (targets: readonly string[]): Promise<LintReport> => {
  const findings: Finding[] = [];
  let files = 0;
  for (const target of targets) {
    const paths = await filesOf(target);
    files += paths.length;
    /** By name: the file that has it. */
    const names = new Map<string, TemplateText>();
    for (const path of paths) findings.push(...(await fileFindings(path, names)));
    // Of a file alone it is not known what is beside it.
    if (paths[0] === target) continue;
    for (const problems of childProblems([...names.values()]).values())
      findings.push(...problems.map((problem): Finding => ({ severity: 'error', ...problem })));
  }
  const errors = findings.filter(({ severity }) => severity === 'error').length;
  return { files, errors, warnings: findings.length - errors, findings };
};

const filesOf = async (target: string): Promise<readonly string[]> => {
  if (target === '-') return [target];
  try {
    if (!(await stat(target)).isDirectory()) return [target];
    const names = (await readdir(target)).filter((name) => TEMPLATE_FILE.test(name)).toSorted();
    if (names.length > TEMPLATE_LIMITS.files)
      throw new CommandError(
        EXIT.usage,
        `${target} has ${names.length} templates; accepted: up to ${TEMPLATE_LIMITS.files}`,
      );
    return names.map((name) => join(target, name));
  } catch (error) {
    throw error instanceof CommandError ? error : unreadable(target, error);
  }
};

/** A name that an earlier file of the same folder has serves that file's template only. */
const fileFindings = async (path: string, names: Map<string, TemplateText>): Promise<readonly Finding[]> => {
  const file = path === '-' ? 'stdin' : path;
  const text = await read(path);
  if (text === null)
    return [inFile(file, '', `the file is too large; accepted: up to ${TEMPLATE_LIMITS.fileBytes} bytes`)];
  const compiled = compileTemplate(text, file);
  if (!compiled.ok) return compiled.problems.map((problem) => ({ severity: 'error', ...problem }));
  const warnings = compiled.warnings.map((problem): Finding => ({ severity: 'warning', ...problem }));
  const { name } = compiled.template;
  const other = names.get(name);
  if (other === undefined) names.set(name, { template: compiled.template, text, file });
  return other === undefined
    ? warnings
    : [
        inFile(file, 'name', `'${name}' is the name of the template in ${other.file}, too; names are unique`),
        ...warnings,
      ];
};

const inFile = (file: string, path: string, message: string): Finding => ({
  severity: 'error',
  file,
  line: 1,
  column: 1,
  path,
  message,
});

/** Null for what is too large to be read at all. */
const read = async (path: string): Promise<string | null> => {
  try {
    if (path === '-') return await textOfStream(process.stdin);
    const { size } = await stat(path);
    return size > TEMPLATE_LIMITS.fileBytes ? null : await readFile(path, 'utf8');
  } catch (error) {
    throw unreadable(path, error);
  }
};

const unreadable = (path: string, error: unknown): CommandError =>
  new CommandError(EXIT.usage, `${path} cannot be read: ${(error as Error).message}`);
