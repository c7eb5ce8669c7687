import { describe, expect, it } from '@jest/globals';
import { Timeline } from '#libs/domain/policy/timeline.js';

describe('a timeline', () => {
  const timeline = new Timeline();
  timeline.add(0, 1_000);
  timeline.add(2, 1_000);
  timeline.add(6, 5_000);

  it.each([
    [0, 1_000],
    [1, 1_000],
    [2, 2_000],
    [5, 5_000],
  ])('starts place %i at %i', (place, atMs) => expect(timeline.startMs(place)).toBe(atMs));

  it('says nothing of what lies behind its end', () => expect(timeline.startMs(6)).toBeNull());
  it('says nothing while it is empty', () => expect(new Timeline().startMs(0)).toBeNull());
});
