import {describe, expect, test} from '@jest/globals';
import fc from 'fast-check';
import {isId, randomId, versionId} from '../src/ids.ts';

describe('ids', () => {
  test('a version sorts after its parent, also when the clock was set back', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({min: 0, max: 2 ** 45}), {minLength: 2, maxLength: 50}), (clock) => {
        let last: string | null = null;
        for (const now of clock) {
          const next: string = versionId(last, now);
          expect(isId(next)).toBe(true);
          expect(next).toHaveLength(16);
          if (last !== null) expect(next > last).toBe(true);
          last = next;
        }
      }),
    );
  });

  test('random ids differ', () => {
    expect(new Set(Array.from({length: 1000}, () => randomId())).size).toBe(1000);
  });
});
