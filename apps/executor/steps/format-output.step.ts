import { csvOf } from '../format/csv.js';
import { markdownOf } from '../format/markdown.js';
import { plainTextOf } from '../format/plain-text.js';
import type { Column } from '../format/rows.js';
import type { StepRunner } from '../step-runner.js';

type FormatInput = {
  readonly format: 'json' | 'markdown' | 'text' | 'csv';
  readonly value: unknown;
  readonly columns?: readonly Column[];
  readonly title?: string;
};

/** RFC 8259, 7763, 2046 and 4180. */
const MEDIA_TYPES: Readonly<Record<FormatInput['format'], string>> = {
  json: 'application/json',
  markdown: 'text/markdown; charset=utf-8',
  text: 'text/plain; charset=utf-8',
  csv: 'text/csv; charset=utf-8',
};

/** Writes a value as text. */
export const formatOutputStep: StepRunner = async ({ input }) => {
  const { format, value, columns, title } = input as FormatInput;
  const text = written(format, value, columns, title);
  const mediaType = `${MEDIA_TYPES[format]}${format === 'csv' ? headOf(value, columns) : ''}`;
  return { output: { text, media_type: mediaType, bytes: Buffer.byteLength(text) } };
};

/** RFC 4180 wants it said whether the first line has the names. */
const headOf = (value: unknown, columns: FormatInput['columns']): string => {
  const isUnnamed = columns === undefined && Array.isArray(value) && Array.isArray(value[0]);
  return isUnnamed ? '; header=absent' : '; header=present';
};

const written = (
  format: FormatInput['format'],
  value: unknown,
  columns: FormatInput['columns'],
  title: string | undefined,
): string => {
  switch (format) {
    case 'json':
      return `${JSON.stringify(value, null, 2)}\n`;
    case 'csv':
      return csvOf(value, columns);
    case 'markdown':
      return markdownOf(value, columns, title);
    case 'text':
      return plainTextOf(value, title);
  }
};
