import { describe, expect, it } from '@jest/globals';
import { HandIn } from './hand-in.js';

describe('what is handed in together', () => {
  it('says once that somebody waits', async () => {
    let said = 0;
    const together = new HandIn(() => (said += 1));
    expect(together.isAwaited).toBe(false);
    const both = [together.acknowledged(), together.acknowledged()];
    expect([together.isAwaited, said]).toEqual([true, 1]);
    together.stored();
    await Promise.all([...both, together.acknowledged()]);
    expect(said).toBe(1);
  });

  it('does not say so when the outcome is known', async () => {
    const together = new HandIn(() => expect(true).toBe(false));
    together.stored();
    await together.acknowledged();
  });

  it('ends once: what is stored does not fail, what has failed is not stored', async () => {
    const [stored, failed] = [new HandIn(), new HandIn()];
    stored.stored();
    stored.failed(new Error('late'));
    await stored.acknowledged();
    failed.failed(new Error('deposed'));
    failed.stored();
    await expect(failed.acknowledged()).rejects.toThrow('deposed');
  });

  it('fails those that waited before', async () => {
    const together = new HandIn();
    const waiting = together.acknowledged();
    together.failed(new Error('deposed'));
    await expect(waiting).rejects.toThrow('deposed');
  });
});
