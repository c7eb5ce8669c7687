/** Names that other systems and languages use for what is called otherwise here. */
const CALLED_HERE: Readonly<Record<string, readonly string[]>> = {
  args: ['with', 'parameters'],
  arguments: ['with', 'parameters'],
  bool: ['boolean'],
  choices: ['enum'],
  condition: ['when'],
  dependencies: ['needs'],
  depends_on: ['needs'],
  dict: ['object'],
  float: ['number'],
  if: ['when'],
  ignore: ['continue'],
  input: ['with', 'parameters'],
  inputs: ['with', 'parameters'],
  int: ['integer'],
  jobs: ['steps'],
  list: ['array'],
  map: ['object'],
  max: ['maximum', 'max_length'],
  max_attempts: ['attempts_max'],
  min: ['minimum', 'min_length'],
  name: ['id'],
  optional: ['required'],
  params: ['parameters', 'with'],
  result: ['output'],
  retries: ['retry', 'attempts_max'],
  step: ['steps'],
  str: ['string'],
  tasks: ['steps'],
  text: ['string'],
  values: ['enum'],
  variables: ['parameters'],
};

/** Longer words are compared by nobody; the work grows with the square of the length. */
const WORD_MAX_CHARS = 64;
const WORDS_MAX = 1000;

/** The known name that was probably meant; null where none is near. */
export const nearest = (word: string, known: readonly string[]): string | null => {
  if (word.length === 0 || word.length > WORD_MAX_CHARS) return null;
  const plain = plainOf(word);
  // A slip in three letters; more are another word.
  const most = Math.max(1, Math.floor(plain.length / 3));
  let best: { readonly name: string; readonly distance: number } | null = null;
  for (const name of known.slice(0, WORDS_MAX)) {
    const other = plainOf(name.slice(0, WORD_MAX_CHARS));
    if (name === word || Math.abs(other.length - plain.length) > most) continue;
    const distance = distanceOf(plain, other);
    if (distance <= most && distance < name.length && (best === null || distance < best.distance))
      best = { name, distance };
  }
  const otherwise = Object.hasOwn(CALLED_HERE, underscored(word)) ? CALLED_HERE[underscored(word)] : [];
  return best?.distance === 0
    ? best.name
    : (otherwise?.find((name) => known.includes(name)) ?? best?.name ?? null);
};

/** ` (did you mean 'needs'?)`, or nothing. */
export const didYouMean = (word: unknown, known: readonly string[]): string => {
  const name = typeof word === 'string' ? nearest(word, known) : null;
  return name === null ? '' : ` (did you mean '${name}'?)`;
};

const plainOf = (word: string): string => word.toLowerCase().replaceAll(/[-_. ]/g, '');

/** `dependsOn` and `depends-on` are written `depends_on` here. */
const underscored = (word: string): string =>
  word
    .replaceAll(/([a-z])([A-Z])/g, '$1_$2')
    .replaceAll('-', '_')
    .toLowerCase();

/** Letters that are wrong, missing or too many; two that changed places count once. */
const distanceOf = (a: string, b: string): number => {
  let before: number[] = [];
  let row = Array.from({ length: b.length + 1 }, (_, n) => n);
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const cost = a[i - 1] === b[j - 1] ? 0 : 1;
      let least = Math.min((row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1, (row[j - 1] ?? 0) + cost);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        least = Math.min(least, (before[j - 2] ?? 0) + 1);
      next.push(least);
    }
    before = row;
    row = next;
  }
  return row[b.length] ?? 0;
};
