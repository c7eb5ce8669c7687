import { describe, expect, it } from '@jest/globals';
import { columns, createOutput } from './output.js';

const written = (isTTY: boolean) => {
  const texts: string[] = [];
  return { isTTY, write: (text: string | Uint8Array) => texts.push(String(text)) > 0, texts };
};

const streams = (isTTY = false) => ({ stdout: written(isTTY), stderr: written(isTTY) });

describe('output for people', () => {
  it('has data on stdout and everything else on stderr', () => {
    const to = streams();
    const out = createOutput(false, to, {});
    out.show({ a: 1 }, () => ['one', 'two']);
    out.line({ a: 1 }, 'three');
    out.text('token');
    out.note('said');
    out.noteText('half');
    expect(to.stdout.texts.join('')).toBe('one\ntwo\nthree\ntoken');
    expect(to.stderr.texts.join('')).toBe('said\nhalf');
  });

  it('is coloured on a terminal alone, and never where NO_COLOR is set', () => {
    expect(createOutput(false, streams(true), {}).colour('red', 'x')).toBe('\u001B[31mx\u001B[0m');
    expect(createOutput(false, streams(true), { NO_COLOR: '' }).colour('red', 'x')).toContain('\u001B');
    expect(createOutput(false, streams(true), { NO_COLOR: '1' }).colour('red', 'x')).toBe('x');
    expect(createOutput(false, streams(false), {}).colour('red', 'x')).toBe('x');
  });

  it('colours what goes to stderr by what stderr is', () => {
    const to = { stdout: written(false), stderr: written(true) };
    createOutput(false, to, {}).note('said', 'dim');
    expect(to.stderr.texts).toEqual(['\u001B[2msaid\u001B[0m\n']);
  });
});

describe('output as JSON', () => {
  it('is one document, or one line for each of a stream, and no tokens', () => {
    const to = streams();
    const out = createOutput(true, to, {});
    out.show({ a: 1 }, () => ['one']);
    out.line({ b: 2 }, 'three');
    out.text('token');
    out.noteText('token');
    expect(to.stdout.texts.join('')).toBe('{\n  "a": 1\n}\n{"b":2}\n');
    expect(to.stderr.texts).toEqual([]);
  });
});

describe('columns', () => {
  it('are as wide as their longest cell', () => {
    expect(
      columns([
        ['a', 'bb', 'c'],
        ['aaa', 'b', ''],
      ]),
    ).toEqual(['a    bb  c', 'aaa  b']);
    expect(columns([])).toEqual([]);
  });
});
