/** A step type that runs in the executor: put this file into the folder that ORCHESTRA_PLUGINS_DIR names. */
export default {
  name: 'acme.reverse',
  version: '1.0.0',
  description: 'The lines of a text, last one first.',
  input: {
    type: 'object',
    properties: { text: { type: 'string' } },
    required: ['text'],
    additionalProperties: false,
  },
  output: {
    type: 'object',
    properties: { text: { type: 'string' }, lines: { type: 'integer' } },
    required: ['text', 'lines'],
  },
  async run({ input, progress }) {
    const lines = input.text.split('\n');
    progress('turned around', lines.length, lines.length);
    return { text: lines.reverse().join('\n'), lines: lines.length };
  },
};
