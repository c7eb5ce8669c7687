/** Another instance leads, or none does yet. The caller asks again and finds the one that does. */
export class NotLeadingError extends Error {
  override readonly name = 'NotLeadingError';
}
