import { randomUUID } from 'node:crypto';
import type { CommandAnswer, RegisterTemplate } from '#libs/contracts/commands.js';
import type { CompiledTemplate } from '#libs/template/compiled-template.js';

/** Makes template versions known to the scheduler, each before the first submission that uses it. */
export class TemplateRegistry {
  readonly #registered = new Set<string>();

  /** `post` resolves when the command is stored. */
  constructor(private readonly post: (command: RegisterTemplate) => Promise<void>) {}

  /** Sends what needs these templates: once more, and with the templates, where the scheduler does not know one. */
  async submitWith(
    templates: readonly CompiledTemplate[],
    send: (isRepeated: boolean) => Promise<CommandAnswer | null>,
  ): Promise<CommandAnswer | null> {
    for (const template of templates) await this.#register(template);
    const answer = await send(false);
    if (answer?.ok !== false || answer.failure.code !== 'TEMPLATE_VERSION_UNKNOWN') return answer;
    // The scheduler folds another log than when these versions were registered.
    for (const template of templates) this.#registered.delete(versionKey(template));
    for (const template of templates) await this.#register(template);
    return await send(true);
  }

  async #register(template: CompiledTemplate): Promise<void> {
    const key = versionKey(template);
    if (this.#registered.has(key)) return;
    const { name, version } = template;
    // Not waited for beyond its storage: the stream keeps the order, so the scheduler sees it before the submission.
    await this.post({
      kind: 'template',
      commandId: randomUUID(),
      template: { name, version },
      definition: template,
    });
    this.#registered.add(key);
  }
}

const versionKey = ({ name, version }: CompiledTemplate): string => `${name}@${version}`;
