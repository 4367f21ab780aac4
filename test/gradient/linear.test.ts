import { test } from 'uvu';
import { float, floats, int } from '../ops/compare.ts';
import { check } from './check.ts';

test('Gemm: both transposes, odd sizes, every shape of C, alpha and beta', () => {
  for (const transA of [0, 1])
    for (const transB of [0, 1]) {
      const a = floats(transA ? [3, 5] : [5, 3]);
      const b = floats(transB ? [7, 3] : [3, 7]);
      const attributes = { transA: int(transA), transB: int(transB), alpha: float(0.7), beta: float(1.5) };
      check('Gemm', [a, b, floats([7])], attributes);
      check('Gemm', [a, b, floats([5, 1])], attributes);
    }
  check('Gemm', [floats([1, 9]), floats([9, 2])]);
  check('Gemm', [floats([4, 2]), floats([2, 3]), floats([])]);
  check('Gemm', [floats([4, 2]), floats([2, 3]), floats([1, 3])], { beta: float(0) });
});

test('MatMul: rank 1 operands, stacks, and stacks that are broadcast', () => {
  check('MatMul', [floats([3, 4]), floats([4, 5])]);
  check('MatMul', [floats([4]), floats([4])]);
  check('MatMul', [floats([4]), floats([4, 3])]);
  check('MatMul', [floats([2, 4]), floats([4])]);
  check('MatMul', [floats([2, 3, 4]), floats([4, 5])]);
  check('MatMul', [floats([3, 4]), floats([2, 4, 3])]);
  check('MatMul', [floats([2, 1, 3, 4]), floats([3, 4, 2])]);
  check('MatMul', [floats([1, 2, 3]), floats([5, 3, 2])]);
  check('MatMul', [floats([2, 2, 3, 1]), floats([2, 2, 1, 3])]);
  check('MatMul', [floats([3]), floats([2, 3, 2])]);
});

test.run();
