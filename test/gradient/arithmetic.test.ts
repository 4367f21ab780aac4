import { test } from 'uvu';
import { floats, int, integers, of, scalar } from '../ops/compare.ts';
import { check, distinct } from './check.ts';

const shapes: [number[], number[]][] = [
  [
    [2, 3, 5],
    [2, 3, 5],
  ],
  [[2, 3, 5], [5]],
  [
    [3, 1],
    [2, 3, 5],
  ],
  [
    [2, 1, 5],
    [1, 3, 1],
  ],
  [[4], []],
  [[], [3, 2]],
  [
    [1, 1],
    [2, 3],
  ],
];

test('two operands under every kind of broadcast', () => {
  for (const [a, b] of shapes) {
    for (const opType of ['Add', 'Sub', 'Mul']) check(opType, [floats(a), floats(b)]);
    check('Div', [floats(a), floats(b, 0.7, 2)]);
    check('Pow', [floats(a, 0.5, 2), floats(b, 0.5, 3)], {}, { tolerance: 5e-3 });
  }
});

test('Pow: whole exponents over negative bases, of any type; both gradients', () => {
  for (const e of [0, 1, 2, 3, 0.5])
    check('Pow', [floats([2, 3], e === 0.5 ? 0.4 : -2, 2), scalar('float', e)], {}, { of: [0] });
  check('Pow', [floats([5]), of([5], 1, 2, 3, 0, 4)], {}, { of: [0] });
  check('Pow', [floats([2, 3]), scalar('int64', 3)]);
});

test('Sum, Mean, Min, Max of several operands', () => {
  const three = [floats([2, 3]), floats([3]), floats([])];
  check('Sum', three);
  check('Mean', three);
  const apart = distinct(12);
  const part = (from: number, dims: number[]) =>
    of(dims, ...Array.from((apart.data as Float32Array).slice(from, from + dims.reduce((n, d) => n * d, 1))));
  for (const opType of ['Min', 'Max']) {
    check(opType, [part(0, [2, 3]), part(6, [3]), part(9, [2, 1])]);
    check(opType, [part(0, [5])]);
  }
});

test('Where, all three broadcast; Mod as fmod', () => {
  check('Where', [integers('bool', [2, 1, 4], 0, 1), floats([3, 4]), floats([2, 3, 1])]);
  check('Where', [integers('bool', [3], 0, 1), floats([]), floats([2, 3])]);
  check('Mod', [of([4], 2.3, -1.2, 5.6, 0.4), of([4], 1, 0.7, 1.3, 2)], { fmod: int(1) });
});

test.run();
