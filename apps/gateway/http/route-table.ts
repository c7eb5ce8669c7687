/** Which methods a path has, so that a wrong method is told apart from a wrong path. Filled as routes are registered. */
export class RouteTable {
  readonly #routes: { readonly pattern: RegExp; readonly methods: Set<string> }[] = [];
  readonly #byUrl = new Map<string, Set<string>>();

  add(url: string, method: string | readonly string[]): void {
    const known = this.#byUrl.get(url);
    const methods = known ?? new Set<string>();
    for (const name of typeof method === 'string' ? [method] : method) methods.add(name);
    if (known) return;
    this.#byUrl.set(url, methods);
    if (!url.includes('*')) this.#routes.push({ pattern: patternOf(url), methods });
  }

  methodsOf(path: string): readonly string[] {
    const found = new Set<string>();
    for (const { pattern, methods } of this.#routes) {
      if (pattern.test(path)) for (const method of methods) found.add(method);
    }
    return [...found].toSorted();
  }
}

/** `/tasks/:id` matches one segment for each parameter. */
const patternOf = (url: string): RegExp => {
  const segments = url
    .split('/')
    .map((part) => (part.startsWith(':') ? '[^/]+' : part.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')));
  return new RegExp(`^${segments.join('/')}/?$`);
};
