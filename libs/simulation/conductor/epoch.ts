/** The moment at which a simulation begins, as the platform sees it; any will do. */
export const EPOCH_MS = 1_767_268_800_000;
