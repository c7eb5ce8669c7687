import { createHash } from 'node:crypto';
import type { Question } from '#libs/contracts/inbox-queries.js';
import { formFields, type FormField, type Sent } from './answer-form.js';

const STYLE = `body{font:16px/1.5 system-ui,sans-serif;max-width:42rem;margin:2rem auto;padding:0 1rem;color:#222;background:#fff}
pre{white-space:pre-wrap;overflow-wrap:anywhere;background:#f4f4f4;padding:1rem;border-radius:.3rem}
label{display:block;margin:1rem 0 .2rem;font-weight:600}input,textarea,select{font:inherit;width:100%;box-sizing:border-box;padding:.4rem}
input[type=checkbox]{width:auto}textarea{min-height:10rem}button{font:inherit;padding:.5rem 1.2rem;margin:1.2rem .6rem 0 0;cursor:pointer}
.wrong{color:#a00}.small{color:#666;font-size:.9rem}`;

/** Nothing but this one style: no script, no picture, no frame, nothing from elsewhere. */
const POLICY = [
  "default-src 'none'",
  `style-src 'sha256-${createHash('sha256').update(STYLE).digest('base64')}'`,
  "form-action 'self'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
].join('; ');

/** The address is the right to answer: it is told to nobody, and not kept. */
export const PAGE_HEADERS = {
  'content-type': 'text/html; charset=utf-8',
  'content-security-policy': POLICY,
  'referrer-policy': 'no-referrer',
  'cache-control': 'no-store',
  'x-robots-tag': 'noindex',
} as const;

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** Whatever comes from outside stands in a page as text. */
export const escaped = (text: string): string => text.replaceAll(/[&<>"']/g, (sign) => ENTITIES[sign] ?? '');

const page = (title: string, body: string): string =>
  `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escaped(title)}</title><style>${STYLE}</style></head><body>${body}</body></html>
`;

/** A page that only says something. */
export const messagePage = (title: string, text: string): string =>
  page(title, `<h1>${escaped(title)}</h1><p>${escaped(text)}</p>`);

/** The question with its form. `by`: in whose name it is answered; null where who answers says it. `wrong`: what was wrong with the answer before. */
export const questionPage = (
  question: Question,
  by: string | null,
  again: { readonly sent: Sent; readonly wrong: readonly string[] } | null = null,
): string => {
  const { message, taskId, stepId, template, until, waiting } = question;
  const sent = again?.sent ?? null;
  const shownText =
    waiting.kind === 'approval' && waiting.text !== null && !waiting.edit
      ? `<pre>${escaped(typeof waiting.text === 'string' ? waiting.text : JSON.stringify(waiting.text, null, 2))}</pre>`
      : '';
  const who =
    by === null
      ? fieldHtml({
          name: 'by',
          label: 'Your name',
          required: true,
          control: { kind: 'text' },
          value: sent?.['by'] ?? '',
        })
      : `<p>You answer as <strong>${escaped(by)}</strong>.</p>`;
  const wrong = (again?.wrong ?? [])
    .map((text) => `<p class="wrong" role="alert">${escaped(text)}</p>`)
    .join('');
  const comment = {
    name: 'comment',
    label: 'Comment',
    required: false,
    control: { kind: 'text' },
    value: sent?.['comment'] ?? '',
  } as const;
  return page(
    waiting.kind === 'approval' ? 'May this go on?' : 'Your answer is needed',
    `<h1>${waiting.kind === 'approval' ? 'May this go on?' : 'Your answer is needed'}</h1><pre>${escaped(message)}</pre>${shownText}${wrong}<form method="post">` +
      `${formFields(question, sent).map(fieldHtml).join('')}${who}${fieldHtml(comment)}${buttons(question)}</form>` +
      `<p class="small">Step ${escaped(stepId)} of task ${escaped(taskId)} (${escaped(template)})${until === null ? '' : `, until ${escaped(until)}`}. The first answer counts.</p>`,
  );
};

const buttons = ({ waiting }: Question): string =>
  waiting.kind === 'human_input'
    ? '<p><button>Send</button></p>'
    : `<p>${waiting.choices.map((choice) => `<button name="choice" value="${escaped(choice)}">${escaped(choice)}</button>`).join('')}</p>`;

const fieldHtml = ({ name, label, required, control, value }: FormField): string => {
  const attributes = `id="${escaped(name)}" name="${escaped(name)}"${required && control.kind !== 'flag' ? ' required' : ''}`;
  const shown = escaped(value);
  const head = `<label for="${escaped(name)}">${escaped(label)}</label>`;
  switch (control.kind) {
    case 'flag':
      return `${head}<input type="checkbox" ${attributes}${value === 'on' ? ' checked' : ''}>`;
    case 'choice': {
      const options = ['', ...control.values].map(
        (one) =>
          `<option value="${escaped(one)}"${one === value ? ' selected' : ''}>${escaped(one)}</option>`,
      );
      return `${head}<select ${attributes}>${options.join('')}</select>`;
    }
    case 'number':
      return `${head}<input type="number" step="any" ${attributes} value="${shown}">`;
    case 'text':
      return `${head}<input type="text" maxlength="500" ${attributes} value="${shown}">`;
    case 'long':
    case 'json':
      // A line feed right behind the tag is passed over, so one of the text's own would be lost.
      return `${head}<textarea ${attributes}>\n${shown}</textarea>`;
  }
};
