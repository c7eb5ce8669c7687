/** One of the fields, and none of the others. */
export type OneOf<All> = {
  [Name in keyof All]: Pick<All, Name> & { readonly [Other in Exclude<keyof All, Name>]?: never };
}[keyof All];
