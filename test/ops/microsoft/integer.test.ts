import { test } from 'uvu';
import { ModelError, UnsupportedError } from '../../../src/errors.ts';
import { throws } from '../../throws.ts';
import { agree, float, floats, int, integers, of, runHere, scalar } from '../compare.ts';

const contrib = { domain: 'com.microsoft', atol: 1e-4 };

test('MatMulIntegerToFloat', async () => {
  for (const [ta, tb] of [
    ['uint8', 'uint8'],
    ['uint8', 'int8'],
    ['int8', 'int8'],
  ] as const) {
    const a = integers(ta, [2, 5, 70], ta === 'int8' ? -128 : 0, 127);
    const b = integers(tb, [70, 9], tb === 'int8' ? -128 : 0, 127);
    const [sa, sb] = [scalar('float', 0.02), scalar('float', 0.003)];
    await agree('MatMulIntegerToFloat', [a, b, sa, sb], {}, contrib);
    await agree('MatMulIntegerToFloat', [a, b, sa, sb, scalar(ta, 3), scalar(tb, 5), floats([9])], {}, contrib);
    const columns = [floats([9], 0.001, 0.01), scalar(ta, 7), integers(tb, [9], 0, 9)] as const;
    await agree('MatMulIntegerToFloat', [a, b, sa, ...columns], {}, contrib);
  }
  throws(
    () => runHere('MatMulIntegerToFloat', [floats([2, 3]), floats([3, 2]), of([], 1), of([], 1)], {}, contrib),
    UnsupportedError,
    /A: expected type int8 or uint8/,
  );
  const [a, b] = [integers('uint8', [2, 3], 0, 9), integers('uint8', [3, 4], 0, 9)];
  throws(
    () => runHere('MatMulIntegerToFloat', [a, b, of([], 1), of([3], 1, 2, 3)], {}, contrib),
    ModelError,
    /b_scale/,
  );
});

test('DynamicQuantizeMatMul', async () => {
  for (const type of ['uint8', 'int8'] as const) {
    const b = integers(type, [33, 12], type === 'int8' ? -128 : 0, 127);
    await agree('DynamicQuantizeMatMul', [floats([2, 5, 33]), b, scalar('float', 0.01)], {}, contrib);
    await agree(
      'DynamicQuantizeMatMul',
      [floats([5, 33], 1, 3), b, scalar('float', 0.01), scalar(type, 4), floats([12])],
      {},
      contrib,
    );
    await agree(
      'DynamicQuantizeMatMul',
      [floats([5, 33]), b, floats([12], 0.01, 0.02), integers(type, [12], 0, 9)],
      {},
      contrib,
    );
  }
});

test('QGemm', async () => {
  const [sa, sb] = [scalar('float', 0.02), scalar('float', 0.03)];
  const a = integers('uint8', [5, 33], 0, 255);
  const b = integers('int8', [33, 12], -127, 127);
  const zeros = [scalar('uint8', 120), scalar('int8', 0)] as const;
  await agree('QGemm', [a, sa, zeros[0], b, sb, zeros[1]], {}, contrib);
  await agree(
    'QGemm',
    [a, sa, zeros[0], b, sb, zeros[1], integers('int32', [12], -999, 999)],
    { alpha: float(0.5) },
    contrib,
  );
  const at = integers('uint8', [33, 5], 0, 255);
  const bt = integers('int8', [12, 33], -127, 127);
  const transposed = { transA: int(1), transB: int(1) };
  const perColumn = [floats([12], 0.01, 0.02), integers('int8', [12], 0, 0)] as const;
  await agree('QGemm', [at, sa, zeros[0], bt, ...perColumn], transposed, contrib);
  const coded = [scalar('float', 1.5), scalar('uint8', 99)] as const;
  await agree(
    'QGemm',
    [a, sa, zeros[0], b, sb, zeros[1], integers('int32', [1, 12], -999, 999), ...coded],
    {},
    contrib,
  );
  throws(
    () => runHere('QGemm', [a, sa, zeros[0], b, sb, zeros[1], integers('int32', [11], 0, 1)], {}, contrib),
    ModelError,
    /C: expected a shape that broadcasts to \[5,12\]/,
  );
});

test.run();
