import { test } from 'uvu';
import { float, floats, int, integers } from '../ops/compare.ts';
import { check } from './check.ts';

const three = { of: [0, 1, 2], tolerance: 4e-3 };

test('Attention: rank 4 and packed, grouped queries, masks, causal, scale', () => {
  const opset = 23;
  check('Attention', [floats([2, 2, 3, 4]), floats([2, 2, 5, 4]), floats([2, 2, 5, 3])], {}, { opset, ...three });
  check(
    'Attention',
    [floats([1, 4, 3, 2]), floats([1, 2, 3, 2]), floats([1, 2, 3, 2])],
    { is_causal: int(1) },
    { opset, ...three },
  );
  check(
    'Attention',
    [floats([2, 3, 8]), floats([2, 4, 4]), floats([2, 4, 6]), floats([3, 4])],
    { q_num_heads: int(4), kv_num_heads: int(2), scale: float(0.7) },
    { opset, ...three },
  );
  check(
    'Attention',
    [floats([1, 1, 3, 2]), floats([1, 1, 3, 2]), floats([1, 1, 3, 2]), integers('bool', [3, 3], 1, 1)],
    {},
    { opset, ...three },
  );
});

test.run();
