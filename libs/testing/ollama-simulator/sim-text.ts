import { pick, type Random } from '#libs/simulation/random.js';

/** Words with and without bytes beyond ASCII, so that a reader who cuts characters in two is found out. */
const WORDS = (
  'the a model task queue step server worker graph time result answer memory context token stream event log ' +
  'reads writes waits moves keeps finds ends starts holds shows first next small large open quiet naïve café über ' +
  'data point → because while and or not often always never here there plain Größe 数 値 piñata'
).split(' ');

/** Tokens that read like prose: a word each, a full stop now and then. */
export const proseTokens = (random: Random, count: number): string[] => {
  const tokens: string[] = [];
  let first = true;
  for (let i = 0; i < count; i += 1) {
    const word = pick(random, WORDS);
    const ends: boolean = !first && random() < 0.1;
    const shown = first ? word.charAt(0).toUpperCase() + word.slice(1) : word;
    tokens.push(`${i === 0 ? '' : ' '}${shown}${ends ? '.' : ''}`);
    first = ends;
  }
  return tokens;
};

/** A prepared text in pieces of a token's usual size. */
export const tokensOf = (text: string): string[] => {
  const characters = Array.from(text);
  const tokens: string[] = [];
  for (let i = 0; i < characters.length; i += 4) tokens.push(characters.slice(i, i + 4).join(''));
  return tokens;
};

/** English text has about four characters to a token; the chat template adds its own around each message. */
const TEMPLATE_TOKENS = 9;
export const promptTokens = (texts: readonly string[]): number =>
  texts.reduce((sum, text) => sum + Math.ceil(text.length / 4) + TEMPLATE_TOKENS, 0);

/** Cuts the tokens before the first stop word; the text may end in the middle of a token. */
export const cutAtStop = (tokens: readonly string[], stops: readonly string[]): string[] => {
  const text = tokens.join('');
  const ends = stops.map((stop) => (stop === '' ? -1 : text.indexOf(stop))).filter((at) => at >= 0);
  if (ends.length === 0) return [...tokens];
  let left = Math.min(...ends);
  const kept: string[] = [];
  for (const token of tokens) {
    if (left <= 0) break;
    kept.push(token.slice(0, left));
    left -= token.length;
  }
  return kept;
};
