/**
 * Tokens by bytes, without the model's vocabulary: two bytes to a token. English has four to five, code and other European languages
 * three to four, Chinese two to three; runs of digits have less with some models, which is why the server's count is looked at too.
 */
const BYTES_PER_TOKEN = 2;

export const tokensAtMost = (text: string): number => Math.ceil(Buffer.byteLength(text) / BYTES_PER_TOKEN);

/** Where a text is cut if it can be, the best place first. */
const SEAMS = ['\n\n', '\n', '. ', ' '];

/** A seam is looked for in the last part of a chunk; further up the chunk would become too short. */
const SEAM_SHARE = 1 / 3;

/** At least this many tokens, so that each chunk gets further than its overlap and the longest character. */
export const CHUNK_MIN_TOKENS = 32;

/**
 * The text in chunks of at most `chunkTokens`, each of which begins with the last `overlapTokens` (up to half of a chunk) of the one
 * before. A character is never cut in two.
 */
export const cutText = (text: string, chunkTokens: number, overlapTokens: number): readonly string[] => {
  const bytes = Buffer.from(text);
  const most = Math.max(chunkTokens, CHUNK_MIN_TOKENS) * BYTES_PER_TOKEN;
  const overlap = Math.min(overlapTokens * BYTES_PER_TOKEN, most / 2);
  const chunks: string[] = [];
  for (let start = 0; ;) {
    const end = start + most >= bytes.length ? bytes.length : seamBefore(bytes, start, start + most);
    chunks.push(bytes.toString('utf8', start, end));
    if (end === bytes.length) return chunks;
    start = characterAt(bytes, end - Math.floor(overlap));
  }
};

const seamBefore = (bytes: Buffer, start: number, end: number): number => {
  const earliest = end - Math.floor((end - start) * SEAM_SHARE);
  for (const seam of SEAMS) {
    const at = bytes.lastIndexOf(seam, end - seam.length);
    if (at >= earliest) return at + seam.length;
  }
  return characterAt(bytes, end);
};

/** The place, or the one before it at which a character begins. */
const characterAt = (bytes: Buffer, place: number): number => {
  let at = place;
  while (at > 0 && ((bytes[at] ?? 0) & 0xc0) === 0x80) at -= 1;
  return at;
};
