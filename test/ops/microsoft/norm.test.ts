import { test } from 'uvu';
import { ModelError } from '../../../src/errors.ts';
import { tensor } from '../../../src/tensor.ts';
import { throws } from '../../throws.ts';
import { agree, float, floats, int, integers, of, runHere, same } from '../compare.ts';

const contrib = { domain: 'com.microsoft', atol: 1e-5 };

test('SkipLayerNormalization and SkipSimplifiedLayerNormalization', async () => {
  const x = () => floats([2, 5, 24]);
  const v = () => floats([24]);
  await agree('SkipLayerNormalization', [x(), x(), v()], {}, contrib);
  await agree('SkipLayerNormalization', [x(), x(), v(), v(), v()], { epsilon: float(0.01) }, contrib);
  await agree('SkipLayerNormalization', [x(), floats([5, 24]), v(), v()], {}, contrib);
  await agree('SkipLayerNormalization', [x(), floats([1, 5, 24]), v(), v()], {}, contrib);
  await agree('SkipSimplifiedLayerNormalization', [x(), x(), v()], { epsilon: float(0.01) }, contrib);
  await agree('SkipSimplifiedLayerNormalization', [x(), x(), v(), v()], {}, contrib);
  throws(() => runHere('SkipLayerNormalization', [x(), x(), floats([23])], {}, contrib), ModelError, /gamma: expected/);
});

test('the sum before the norm is an output', () => {
  const x = of([1, 2, 2], 1, 2, 3, 4);
  const [, mean, inverse, sum] = runHere(
    'SkipLayerNormalization',
    [x, x, of([2], 1, 1)],
    {},
    { ...contrib, outputs: 4 },
  );
  same(sum!, of([1, 2, 2], 2, 4, 6, 8), 'sum');
  same(mean!, of([1, 2, 1], 3, 7), 'mean');
  same(inverse!, of([1, 2, 1], 1, 1), '1 / deviation');
});

test('SimplifiedLayerNormalization of the default domain', async () => {
  await agree('SimplifiedLayerNormalization', [floats([2, 5, 24]), floats([24])], { epsilon: float(0.01) });
  await agree('SimplifiedLayerNormalization', [floats([2, 5, 24]), floats([24])], { axis: int(-1) }, { opset: 11 });
});

test('LayerNormalization before it was of the default domain', async () => {
  for (const opset of [9, 13])
    await agree('LayerNormalization', [floats([2, 5, 24]), floats([24]), floats([24])], {}, { opset, atol: 1e-5 });
});

test('EmbedLayerNormalization', async () => {
  const ids = integers('int32', [2, 5], 0, 9);
  const tables = () => [floats([10, 8]), floats([7, 8]), floats([2, 8])];
  const affine = () => [floats([8]), floats([8])];
  const segments = integers('int32', [2, 5], 0, 1);
  // onnxruntime wants to know the shapes of the tables beforehand.
  const known = { ...contrib, constants: [2, 3, 4, 5, 6] };
  const mask = tensor('int32', [2, 5], Int32Array.of(1, 1, 1, 0, 0, 1, 1, 1, 1, 0));
  await agree('EmbedLayerNormalization', [ids, segments, ...tables(), ...affine()], {}, { ...known, outputs: 2 });
  const [word, position] = tables();
  await agree(
    'EmbedLayerNormalization',
    [ids, undefined, word, position, undefined, ...affine(), mask],
    {},
    { ...known, outputs: 3 },
  );
  await agree(
    'EmbedLayerNormalization',
    [ids, undefined, word, position, undefined, ...affine(), undefined, integers('int32', [1, 5], 0, 6)],
    {},
    { ...known, outputs: 2 },
  );
  const wrong = integers('int32', [2, 5], 10, 10);
  throws(
    () => runHere('EmbedLayerNormalization', [wrong, undefined, word, position, undefined, ...affine()], {}, contrib),
    ModelError,
    /indices: expected/,
  );
});

test('GroupNorm and SkipGroupNorm', () => {
  const x = of([1, 1, 2, 4], 1, 2, 3, 5, 3, 4, 7, 9);
  const [ones, zeros] = [of([4], 1, 1, 1, 1), of([4], 0, 0, 0, 0)];
  const attributes = { groups: int(2), activation: int(0), epsilon: float(0) };
  const [y] = runHere('GroupNorm', [x, ones, zeros], attributes, contrib);
  // Channels 0, 1 hold 1 2 3 4 about 2.5; channels 2, 3 hold 3 5 7 9 about 6.
  const unit = [-1.5, -0.5, 0.5, 1.5].map((v) => v / Math.sqrt(1.25)) as [number, number, number, number];
  const [a, b, c, d] = unit;
  same(y!, of([1, 1, 2, 4], a, b, a, b, c, d, c, d), 'GroupNorm');
  const half = of([1, 1, 2, 4], 0.5, 1, 1.5, 2.5, 1.5, 2, 3.5, 4.5);
  const skipped = runHere('SkipGroupNorm', [half, ones, zeros, half], attributes, { ...contrib, outputs: 2 });
  same(skipped[0]!, y!, 'SkipGroupNorm');
  same(skipped[1]!, x, 'sum');
  const silu = runHere('GroupNorm', [x, ones, zeros], { ...attributes, activation: int(1) }, contrib)[0]!;
  same(silu, of([1, 1, 2, 4], ...[a, b, a, b, c, d, c, d].map((v) => v / (1 + Math.exp(-v)))), 'SiLU');
  throws(
    () => runHere('GroupNorm', [x, ones, zeros], { ...attributes, groups: int(3) }, contrib),
    ModelError,
    /4 channels do not divide into 3 groups/,
  );
});

test.run();
