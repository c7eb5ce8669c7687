/** What a person says in a sentence or two, for others to read: no line breaks, nothing that a terminal obeys. */
export const TEXT = /^[^\p{Cc}\p{Cs}]{1,500}$/u;
export const TEXT_SAYS = 'must be text of 1 to 500 characters without line breaks';
