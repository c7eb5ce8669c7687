import { itemRefOf } from '#libs/domain/task/items.js';
import { readableOutcomes } from '#libs/domain/task/step-outcomes.js';
import type { TaskBook } from '#libs/domain/task/task-book.js';
import type { OpenTask } from '#libs/domain/task/task.js';
import type { CompiledTemplate } from '#libs/template/compiled-template.js';
import { listItems, type ListedItems } from '#libs/template/foreach.js';
import { parametersOf } from './task-parameters.js';

/** Lists that are remembered: a list that is computed is not made again for each of its items, unless very many are worked on at once. */
const LISTS_MAX = 64;

/** What steps with `foreach` run for. It follows from the book, so forgetting it costs nothing but time. */
export class ItemLists {
  readonly #lists = new Map<string, ListedItems>();

  of(task: OpenTask, stepId: string, template: CompiledTemplate, book: TaskBook): ListedItems {
    const key = `${task.id}/${stepId}`;
    const known = this.#lists.get(key);
    if (known) return known;
    const given = parametersOf(task, template, book);
    const listed = given.ok
      ? listItems(template, stepId, { parameters: given.parameters, ...readableOutcomes(task) })
      : given;
    for (const oldest of this.#lists.keys()) {
      if (this.#lists.size < LISTS_MAX) break;
      this.#lists.delete(oldest);
    }
    this.#lists.set(key, listed);
    return listed;
  }

  /** What the input of a step may read besides what every step may: nothing, unless it is an item. */
  scopeOf(
    task: OpenTask,
    stepId: string,
    template: CompiledTemplate,
    book: TaskBook,
  ): { readonly item?: unknown; readonly index?: number } {
    const item = itemRefOf(stepId);
    if (item === null) return {};
    const listed = this.of(task, item.of, template, book);
    return { item: listed.ok ? listed.items[item.index] : null, index: item.index };
  }
}
