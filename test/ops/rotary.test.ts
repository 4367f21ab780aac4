import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ModelError } from '../../src/errors.ts';
import { tensor } from '../../src/tensor.ts';
import { throws } from '../throws.ts';
import { agree, floats, int, integers, of, runHere } from './compare.ts';

const at23 = { opset: 23 };

test('RotaryEmbedding, both layouts, with positions and without', async () => {
  const ids = integers('int64', [2, 5], 0, 19);
  for (const interleaved of [0, 1]) {
    const attributes = { interleaved: int(interleaved) };
    const caches = [floats([20, 4], -1, 1), floats([20, 4], -1, 1)];
    await agree('RotaryEmbedding', [floats([2, 3, 5, 8]), ...caches, ids], attributes, at23);
    await agree('RotaryEmbedding', [floats([2, 5, 24]), ...caches, ids], { ...attributes, num_heads: int(3) }, at23);
    const own = [floats([2, 5, 4], -1, 1), floats([2, 5, 4], -1, 1)];
    await agree('RotaryEmbedding', [floats([2, 3, 5, 8]), ...own], attributes, at23);
    const part = { ...attributes, rotary_embedding_dim: int(4), num_heads: int(3) };
    await agree('RotaryEmbedding', [floats([2, 5, 24]), floats([20, 2]), floats([20, 2]), ids], part, at23);
  }
});

test('a quarter turn', () => {
  const x = of([1, 1, 1, 4], 1, 2, 3, 4);
  const [cos, sin] = [of([1, 1, 2], 0, 1), of([1, 1, 2], 1, 0)];
  // Pairs (1, 3) turned, (2, 4) left; interleaved (1, 2) turned, (3, 4) left.
  assert.equal([...runHere('RotaryEmbedding', [x, cos, sin], {}, at23)[0]!.data], [-3, 2, 1, 4]);
  assert.equal([...runHere('RotaryEmbedding', [x, cos, sin], { interleaved: int(1) }, at23)[0]!.data], [-2, 1, 3, 4]);
  const double = tensor('double', [1, 1, 1, 4], Float64Array.of(1, 2, 3, 4));
  assert.is(runHere('RotaryEmbedding', [double, cos, sin], {}, at23)[0]!.dtype, 'double');
});

test('what contradicts itself is named', () => {
  const x = floats([2, 3, 5, 8]);
  const run =
    (inputs: Parameters<typeof runHere>[1], attributes = {}) =>
    () =>
      runHere('RotaryEmbedding', inputs, attributes, at23);
  const caches = [floats([20, 4]), floats([20, 4])];
  throws(
    run([x, ...caches, integers('int64', [2, 5], 20, 20)]),
    ModelError,
    /position_ids: expected 0\.\.19, found 20/,
  );
  throws(
    run([x, ...caches, integers('int64', [2, 5], -1, -1)]),
    ModelError,
    /position_ids: expected 0\.\.19, found -1/,
  );
  throws(run([x, ...caches, integers('int64', [2, 4], 0, 1)]), ModelError, /position_ids: expected shape \[2,5\]/);
  throws(run([x, ...caches]), ModelError, /cos_cache: expected shape \[2,5,4\]/);
  throws(run([x, ...caches], { rotary_embedding_dim: int(3) }), ModelError, /an even number up to 8, found 3/);
  throws(run([x, ...caches], { rotary_embedding_dim: int(10) }), ModelError, /an even number up to 8, found 10/);
  throws(run([floats([2, 5, 24]), ...caches]), ModelError, /24 features do not divide into 0 heads/);
  throws(run([floats([5, 24]), ...caches]), ModelError, /rank 3 or 4/);
});

test.run();
