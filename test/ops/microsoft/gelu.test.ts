import { test } from 'uvu';
import { ModelError } from '../../../src/errors.ts';
import { throws } from '../../throws.ts';
import { agree, float, floats, of, runHere, same } from '../compare.ts';

const contrib = { domain: 'com.microsoft' };

test('Gelu and its forms with a bias', async () => {
  const x = floats([3, 5, 33], -6, 6);
  await agree('Gelu', [x], {}, contrib);
  await agree('QuickGelu', [x], {}, contrib);
  await agree('QuickGelu', [x], { alpha: float(0.7) }, contrib);
  await agree('FastGelu', [x], {}, contrib);
  await agree('FastGelu', [x, floats([33])], {}, contrib);
  await agree('BiasGelu', [x, floats([33])], {}, contrib);
});

test('BiasSplitGelu multiplies one half by Gelu of the other', () => {
  const [y] = runHere('BiasSplitGelu', [of([1, 1, 4], 1, 2, 2, -1), of([4], 1, 0, -1, 1)], {}, contrib);
  // Halves [2, 2] and [1, 0].
  same(y!, of([1, 1, 2], 2 * 0.8413447460685429, 0), 'BiasSplitGelu');
  throws(() => runHere('BiasSplitGelu', [floats([2, 3]), floats([3])], {}, contrib), ModelError, /even last axis/);
});

test.run();
