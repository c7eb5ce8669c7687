import { randomUUID } from 'node:crypto';
import type { CommandAnswer, RegisterTemplate } from '#libs/contracts/commands.js';
import type { CompiledTemplate } from '#libs/template/compiled-template.js';

/**
 * Makes template versions known to the scheduler: each before the first submission that uses it, and each that is new in the folder, because
 * schedules submit by themselves. The one that was sent last is the latest of its name.
 */
export class TemplateRegistry {
  /** By name: the version that was sent last. */
  readonly #registered = new Map<string, string>();

  /** `post` resolves when the command is stored. */
  constructor(private readonly post: (command: RegisterTemplate) => Promise<void>) {}

  /** Makes these the latest. */
  async offer(templates: readonly CompiledTemplate[]): Promise<void> {
    await Promise.all(templates.map((template) => this.#register(template)));
  }

  /** Sends what needs these templates: once more, and with the templates, where the scheduler does not know one. */
  async submitWith(
    templates: readonly CompiledTemplate[],
    send: (isRepeated: boolean) => Promise<CommandAnswer | null>,
  ): Promise<CommandAnswer | null> {
    for (const template of templates) await this.#register(template);
    const answer = await send(false);
    if (answer?.ok !== false || answer.failure.code !== 'TEMPLATE_VERSION_UNKNOWN') return answer;
    // The scheduler folds another log than when these versions were registered.
    for (const { name } of templates) this.#registered.delete(name);
    for (const template of templates) await this.#register(template);
    return await send(true);
  }

  async #register(template: CompiledTemplate): Promise<void> {
    const { name, version } = template;
    if (this.#registered.get(name) === version) return;
    // Not waited for beyond its storage: the stream keeps the order, so the scheduler sees it before the submission.
    await this.post({
      kind: 'template',
      commandId: randomUUID(),
      template: { name, version },
      definition: template,
    });
    this.#registered.set(name, version);
  }
}
