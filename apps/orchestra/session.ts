import type { Api } from './client/api.js';
import type { Output } from './output.js';

/** What a command works with: the API of the platform it is about, and where it says things. */
export type Session = { readonly api: Api; readonly out: Output };
