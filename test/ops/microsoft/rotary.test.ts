import { test } from 'uvu';
import { ModelError, UnsupportedError } from '../../../src/errors.ts';
import { throws } from '../../throws.ts';
import { agree, float, floats, int, integers, list, runHere } from '../compare.ts';

const contrib = { domain: 'com.microsoft' };

test('RotaryEmbedding of com.microsoft', async () => {
  const caches = (half: number) => [floats([20, half], -1, 1), floats([20, half], -1, 1)];
  const ids = integers('int64', [2, 5], 0, 19);
  for (const interleaved of [0, 1]) {
    const attributes = { interleaved: int(interleaved) };
    await agree('RotaryEmbedding', [floats([2, 5, 24]), ids, ...caches(4)], attributes, contrib);
    await agree('RotaryEmbedding', [floats([2, 5, 24]), list(7), ...caches(4)], attributes, contrib);
    await agree('RotaryEmbedding', [floats([2, 3, 5, 8]), ids, ...caches(4)], attributes, contrib);
    const partial = { ...attributes, num_heads: int(3), rotary_embedding_dim: int(4) };
    await agree('RotaryEmbedding', [floats([2, 5, 24]), ids, ...caches(2)], partial, contrib);
  }
  const x = floats([2, 5, 24]);
  const run =
    (...rest: Parameters<typeof runHere>[1]) =>
    () =>
      runHere('RotaryEmbedding', [x, ...rest], {}, contrib);
  throws(run(list(16), ...caches(4)), ModelError, /16 and 5 positions exceed the 20/);
  throws(run(integers('int64', [2, 5], 20, 20), ...caches(4)), ModelError, /position_ids: expected 0\.\.19/);
  throws(
    run(integers('int64', [5, 2], 0, 1), ...caches(4)),
    ModelError,
    /position_ids: expected shape \[1\] or \[2,5\]/,
  );
  throws(run(list(0), ...caches(5)), ModelError, /cos_cache \[20,5\]: expected 6 columns/);
  throws(
    () => runHere('RotaryEmbedding', [x, list(0), ...caches(4)], { scale: float(2) }, contrib),
    UnsupportedError,
    /"scale"/,
  );
});

test.run();
