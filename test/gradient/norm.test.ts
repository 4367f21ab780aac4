import { test } from 'uvu';
import { float, floats, int, scalar, list } from '../ops/compare.ts';
import { check, distinct } from './check.ts';

test('normalisations in x, scale and shift', () => {
  const loose = { tolerance: 4e-3 };
  check(
    'BatchNormalization',
    [floats([3, 4, 2, 3]), floats([4]), floats([4]), floats([4]), floats([4], 0.5, 2)],
    {},
    { of: [0, 1, 2] },
  );
  check(
    'BatchNormalization',
    [floats([3, 5]), floats([5]), floats([5]), floats([5]), floats([5], 0.5, 2)],
    {},
    { of: [0, 1, 2] },
  );
  check('LayerNormalization', [floats([3, 2, 7]), floats([7]), floats([7])], {}, loose);
  check('LayerNormalization', [floats([3, 2, 7]), floats([2, 7])], { axis: int(1), epsilon: float(0.1) }, loose);
  check('LayerNormalization', [floats([2, 16]), floats([16]), floats([16])], { axis: int(-1) }, loose);
  check('RMSNormalization', [floats([3, 9]), floats([9])], {}, { opset: 23, ...loose });
  for (const [opset, of] of [
    [18, 3],
    [21, 6],
  ] as const)
    check(
      'GroupNormalization',
      [floats([2, 6, 2, 3]), floats([of]), floats([of])],
      { num_groups: int(3) },
      { opset, ...loose },
    );
  check('InstanceNormalization', [floats([2, 3, 4, 2]), floats([3]), floats([3])], {}, loose);
});

test('Softmax and LogSoftmax along any axis, and over all from an axis on as before opset 13', () => {
  for (const opType of ['Softmax', 'LogSoftmax']) {
    check(opType, [floats([3, 5])]);
    check(opType, [floats([2, 3, 4])], { axis: int(1) });
    check(opType, [floats([4, 2, 3])], { axis: int(0) });
    check(opType, [floats([6])]);
    check(opType, [floats([2, 3, 4])], { axis: int(1) }, { opset: 12 });
    check(opType, [floats([2, 3, 4])], {}, { opset: 12 });
    check(opType, [floats([2, 3, 4])], { axis: int(2) }, { opset: 12 });
    check(opType, [floats([2, 1, 4])], {}, { opset: 12 });
    check(opType, [floats([2, 2, 1])], {});
    check(opType, [floats([])], {});
  }
});

test('reductions: axes as attribute and input, kept and dropped, all, none', () => {
  const positive = floats([2, 3, 4], 0.5, 2);
  for (const opType of [
    'ReduceSum',
    'ReduceMean',
    'ReduceSumSquare',
    'ReduceL1',
    'ReduceL2',
    'ReduceLogSum',
    'ReduceLogSumExp',
  ]) {
    check(opType, [positive, list(1)], {}, { opset: 18 });
    check(opType, [positive, list(0, -1)], { keepdims: int(0) }, { opset: 18 });
    check(opType, [positive], {}, { opset: 18 });
    check(opType, [positive], { keepdims: int(0) }, { opset: 11 });
  }
  check('ReduceMean', [positive], { noop_with_empty_axes: int(1) }, { opset: 18 });
  for (const opType of ['ReduceMax', 'ReduceMin']) check(opType, [distinct(2, 3, 4), list(1)], {}, { opset: 18 });
  check('ReduceL1', [floats([2, 5], -3, -1)]);
  check('ReduceSum', [scalar('float', 2)]);
});

test.run();
