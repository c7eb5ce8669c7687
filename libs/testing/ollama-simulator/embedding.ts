import { seededRandom, seedOf } from '#libs/simulation/random.js';

/**
 * A vector of length 1 that depends on the words alone: the sum of one fixed random direction per word. Texts with
 * words in common are closer to each other than texts without, as an application that searches by meaning expects.
 */
export const embeddingOf = (text: string, dimensions: number): number[] => {
  const vector: number[] = Array.from({ length: dimensions }, () => 0);
  for (const word of ['', ...text.toLowerCase().split(/[^\p{L}\p{N}]+/u)]) {
    const random = seededRandom(seedOf('embedding', word));
    for (let i = 0; i < dimensions; i += 1) vector[i] = (vector[i] ?? 0) + random() - 0.5;
  }
  return normalised(vector);
};

export const normalised = (vector: readonly number[]): number[] => {
  const norm = Math.hypot(...vector) || 1;
  return vector.map((value) => Number((value / norm).toFixed(9)));
};
