import { test } from 'uvu';
import { float, floats, int, integers } from '../ops/compare.ts';
import { check } from './check.ts';

const domain = 'com.microsoft';

test('MultiHeadAttention of separate inputs, with bias and padding mask', () => {
  const parts = [floats([2, 3, 8]), floats([2, 5, 8]), floats([2, 5, 4])];
  check('MultiHeadAttention', parts, { num_heads: int(2) }, { domain, tolerance: 4e-3 });
  check(
    'MultiHeadAttention',
    [...parts, floats([20]), integers('int32', [2, 5], 1, 1)],
    { num_heads: int(4), scale: float(0.4) },
    { domain, tolerance: 4e-3, of: [0, 1, 2] },
  );
});

test('normalisations of sums', () => {
  const loose = { domain, tolerance: 4e-3 };
  const [x, skip, gamma, beta, bias] = [floats([2, 3, 5]), floats([2, 3, 5]), floats([5]), floats([5]), floats([5])];
  check('SkipLayerNormalization', [x, skip, gamma, beta, bias], { epsilon: float(0.01) }, loose);
  check('SkipLayerNormalization', [x, skip, gamma], {}, loose);
  check('SkipLayerNormalization', [x, skip, gamma, beta], {}, { ...loose, outputs: 4, seeded: [0, 3] });
  check('SkipLayerNormalization', [x, skip, gamma, beta], {}, { ...loose, outputs: 4, seeded: [3] });
  check('SkipSimplifiedLayerNormalization', [x, skip, gamma, bias], { epsilon: float(0.01) }, loose);
  check('SimplifiedLayerNormalization', [x, gamma], {}, { tolerance: 4e-3 });
});

test('activations with a bias, products with transposes', () => {
  check('BiasGelu', [floats([2, 3, 4]), floats([4])], {}, { domain });
  check('FastGelu', [floats([2, 3, 4]), floats([4])], {}, { domain });
  check('FastGelu', [floats([5])], {}, { domain });
  check('QuickGelu', [floats([3, 4])], { alpha: float(1.2) }, { domain });
  check('Gelu', [floats([3, 4])], {}, { domain });
  for (const transA of [0, 1])
    for (const transB of [0, 1])
      check(
        'FusedMatMul',
        [floats(transA ? [2, 3, 4] : [2, 4, 3]), floats(transB ? [5, 3] : [3, 5])],
        { transA: int(transA), transB: int(transB), alpha: float(0.6) },
        { domain },
      );
});

test('rotations', () => {
  check('RotaryEmbedding', [floats([1, 2, 3, 4]), floats([1, 3, 2]), floats([1, 3, 2])], {}, { opset: 23, of: [0] });
  check(
    'RotaryEmbedding',
    [floats([1, 2, 3, 4]), integers('int64', [1, 3], 0, 4), floats([5, 2]), floats([5, 2])],
    { interleaved: int(1) },
    { domain, of: [0] },
  );
});

test.run();
