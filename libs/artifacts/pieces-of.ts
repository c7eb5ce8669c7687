/** The same bytes in pieces of one size, the last of which may be shorter. */
export async function* piecesOf(
  content: AsyncIterable<Uint8Array>,
  sizeBytes: number,
): AsyncGenerator<Uint8Array, void, void> {
  let piece = Buffer.allocUnsafe(sizeBytes);
  let filled = 0;
  for await (const given of content) {
    for (let from = 0; from < given.length;) {
      const taken = given.subarray(from, from + sizeBytes - filled);
      piece.set(taken, filled);
      filled += taken.length;
      from += taken.length;
      if (filled < sizeBytes) continue;
      yield piece;
      // Whoever was given the last one may still be sending it.
      piece = Buffer.allocUnsafe(sizeBytes);
      filled = 0;
    }
  }
  if (filled > 0) yield piece.subarray(0, filled);
}
