import { secretReference, SECRET_NAME } from '#libs/domain/task/step-secrets.js';

/** A reference as an author may write it; nothing else may stand in its braces. */
const REFERENCE = /\{\{\s*secrets\.([a-zA-Z0-9_-]+)\s*\}\}/;

/** A text of a template with references to secrets in it: what stands between them, and the names. */
export type SecretText = { readonly between: readonly string[]; readonly names: readonly string[] };

/** Null for a text without such a reference. Every second part is a name. */
export const secretTextOf = (source: string): SecretText | null => {
  const parts = source.split(REFERENCE);
  if (parts.length === 1) return null;
  return {
    between: parts.filter((_part, n) => n % 2 === 0),
    names: parts.filter((_part, n) => n % 2 === 1),
  };
};

export const isSecretName = (name: string): boolean => SECRET_NAME.test(name);

/** Where in the filled-in text the references stand. */
export type PlacedSecrets = {
  readonly text: string;
  readonly places: readonly { readonly name: string; readonly at: number }[];
};

/** `filled` is what became of the texts between. */
export const placedSecrets = (names: readonly string[], filled: readonly string[]): PlacedSecrets => {
  const places: { readonly name: string; readonly at: number }[] = [];
  let text = filled[0] ?? '';
  for (const [n, name] of names.entries()) {
    places.push({ name, at: text.length });
    text += secretReference(name) + (filled[n + 1] ?? '');
  }
  return { text, places };
};
