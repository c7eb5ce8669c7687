/** Cosine of the angle between two vectors, from -1 to 1; 0 where one of them has no direction. */
export const cosine = (a: readonly number[], b: readonly number[]): number => {
  let [dot, ofA, ofB] = [0, 0, 0];
  for (let n = 0; n < a.length; n += 1) {
    const [x = 0, y = 0] = [a[n], b[n]];
    dot += x * y;
    ofA += x * x;
    ofB += y * y;
  }
  return ofA === 0 || ofB === 0 ? 0 : dot / Math.sqrt(ofA * ofB);
};
