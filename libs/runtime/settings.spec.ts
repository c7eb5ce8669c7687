import { describe, expect, it } from '@jest/globals';
import { flag, integer, loadSettings, oneOf, optionalText, SettingsError } from './settings.js';

const SETTINGS = {
  port: integer({ env: 'PORT', meaning: 'Port', fallback: 8000, min: 1, max: 65_535 }),
  mode: oneOf({ env: 'MODE', meaning: 'Mode', fallback: 'a', values: ['a', 'b'] }),
  key: optionalText({
    env: 'KEY',
    meaning: 'Key',
    secret: true,
    pattern: /^.{8,}$/,
    accepts: 'at least 8 characters',
  }),
  pull: flag({ env: 'PULL', meaning: 'Pull', fallback: false }),
};

describe('settings', () => {
  it('take the fallback where the environment is silent or empty', () => {
    expect(loadSettings(SETTINGS, { PORT: '' })).toEqual({ port: 8000, mode: 'a', pull: false });
  });

  it('read typed values', () => {
    expect(loadSettings(SETTINGS, { PORT: '81', MODE: 'b', PULL: 'true', KEY: '12345678' })).toEqual({
      port: 81,
      mode: 'b',
      pull: true,
      key: '12345678',
    });
  });

  it('name every bad key, its value and what is accepted, and never a secret', () => {
    const load = () => loadSettings(SETTINGS, { PORT: '70000', MODE: 'c', KEY: 'geheim', PULL: 'yes' });
    expect(load).toThrow(SettingsError);
    try {
      load();
    } catch (error) {
      const { problems } = error as SettingsError;
      expect(problems).toEqual([
        "PORT: '70000' — expected a whole number from 1 to 65535",
        "MODE: 'c' — expected one of a, b",
        'KEY: the value given — expected at least 8 characters',
        "PULL: 'yes' — expected true or false",
      ]);
    }
  });
});
