import { test } from 'uvu';
import { ModelError } from '../../src/errors.ts';
import { tensor } from '../../src/tensor.ts';
import { throws } from '../throws.ts';
import { agree, agreeIfThere, doubles, floats, int, integers, of, runHere, same } from './compare.ts';

const ALL = ['Softmax', 'LogSoftmax', 'Hardmax'];

test('along an axis and, before opset 13, from it on', async () => {
  for (const op of ALL) {
    for (const axis of [-1, 0, 1, 2, -3]) {
      await agree(op, [floats([3, 5, 7], -9, 9)], { axis: int(axis) });
      await agree(op, [floats([3, 5, 7], -9, 9)], { axis: int(axis) }, { opset: 11 });
    }
    await agree(op, [floats([3, 5, 7])]);
    await agree(op, [floats([3, 5, 7])], {}, { opset: 9 });
    await agree(op, [floats([4, 1], 100, 200)]);
    await agree(op, [floats([0, 3])]);
  }
});

test('double', async () => {
  const x = doubles([2, 3], 1, -2, 700, 0.5, 0.5, 0.25);
  for (const op of ALL) await agreeIfThere(op, [x], {}, { rtol: 1e-13, atol: 1e-300 });
  const e = [1, Math.exp(-3), Math.exp(-1)];
  const sum = e.reduce((a, b) => a + b);
  const [y] = runHere('Softmax', [doubles([3], 3, 0, 2)]);
  same(y!, doubles([3], ...e.map((v) => v / sum)), 'Softmax', 1e-15);
});

test('the first of equals', () => {
  same(runHere('Hardmax', [of([2, 3], 1, 3, 3, 2, 2, 2)])[0]!, of([2, 3], 0, 1, 0, 1, 0, 0), 'Hardmax');
  const half = tensor('float16', [2], Uint16Array.of(0x3c00, 0x4000));
  same(runHere('Hardmax', [half])[0]!, tensor('float16', [2], Uint16Array.of(0, 0x3c00)), 'float16');
});

test('bad input', () => {
  throws(() => runHere('Softmax', [floats([2, 3])], { axis: int(2) }), ModelError, /axis: expected -2..1 for rank 2/);
  throws(() => runHere('Hardmax', [integers('int32', [2], 0, 1)]), ModelError, /floating type, found int32/);
});

test.run();
