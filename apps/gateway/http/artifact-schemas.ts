import { count, exactly, listOf, orNull, text, time, type SchemaObject } from './schema-parts.js';

export const artifacts = {
  Artifact: exactly({
    reference: { ...text, description: 'What steps name it by: `<task>/<name>`.' },
    name: text,
    step_id: orNull(text),
    size_bytes: count,
    digest: { ...text, description: '`sha256:` and 64 hexadecimal digits.' },
    content_type: text,
    stored_at: time,
    removed_at: { ...orNull(time), description: 'Null while it can be read.' },
    removed_reason: orNull(text),
  }),
  Uploaded: exactly({
    reference: { ...text, description: 'What steps name it by.' },
    name: text,
    size_bytes: count,
    digest: text,
    content_type: text,
  }),
  ArtifactList: exactly({ items: listOf('Artifact') }),
} satisfies Record<string, SchemaObject>;
