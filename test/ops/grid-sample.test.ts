import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ModelError, UnsupportedError } from '../../src/errors.ts';
import { tensor } from '../../src/tensor.ts';
import { throws } from '../throws.ts';
import { agree, floats, int, list, of, runHere, string } from './compare.ts';

const CLOSE = { rtol: 1e-4, atol: 1e-5 };

test('GridSample over two and three axes, in and outside', async () => {
  for (const opset of [16, 20])
    for (const mode of opset === 16 ? ['bilinear', 'nearest', 'bicubic'] : ['linear', 'nearest', 'cubic'])
      for (const padding of ['zeros', 'border', 'reflection'])
        for (const align of [0, 1]) {
          const a = { mode: string(mode), padding_mode: string(padding), align_corners: int(align) };
          await agree('GridSample', [floats([2, 3, 4, 5]), floats([2, 6, 7, 2], -2, 2)], a, { opset, ...CLOSE });
          if (opset === 20 && mode !== 'cubic') {
            const x = floats([2, 2, 3, 4, 3]);
            await agree('GridSample', [x, floats([2, 2, 3, 4, 3], -2, 2)], a, { opset, ...CLOSE });
          }
        }
});

test('GridSample of one axis, of integers, and by a grid of another type', () => {
  const grid = of([1, 3, 1], -1, 0, 1);
  const a = { align_corners: int(1) };
  const [y] = runHere('GridSample', [of([1, 1, 2], 4, 6), grid], a, { opset: 20 });
  assert.equal([...y!.data], [4, 5, 6]);
  const [i] = runHere('GridSample', [tensor('int32', [1, 1, 2], Int32Array.of(4, 7)), grid], a, { opset: 20 });
  assert.equal([...i!.data], [4, 5, 7]);
  const half = tensor('float16', [1, 1, 1], Uint16Array.of(0));
  const [f] = runHere('GridSample', [of([1, 1, 2], 4, 6), half], a, { opset: 20 });
  assert.is(f!.dtype, 'float');
  assert.equal([...f!.data], [5]);
});

test('positions that are no numbers, or infinite, end quietly', () => {
  const grid = of([1, 1, 2, 2], Number.NaN, 0, Number.POSITIVE_INFINITY, 1e38);
  for (const padding of ['zeros', 'border', 'reflection'])
    for (const mode of ['linear', 'nearest', 'cubic']) {
      const a = { mode: string(mode), padding_mode: string(padding) };
      assert.is(runHere('GridSample', [floats([1, 1, 3, 3]), grid], a, { opset: 20 })[0]!.data.length, 2);
    }
});

test('GridSample refuses', () => {
  throws(
    () => runHere('GridSample', [floats([1, 1, 3, 3]), floats([1, 2, 2, 3])]),
    ModelError,
    /grid: expected shape \[1, 2 sizes, 2\]/,
  );
  throws(
    () => runHere('GridSample', [floats([2, 1, 3, 3]), floats([1, 2, 2, 2])]),
    ModelError,
    /grid: expected shape \[2, 2 sizes, 2\]/,
  );
  throws(() => runHere('GridSample', [floats([1, 1, 0, 3]), floats([1, 2, 2, 2])]), ModelError, /spatial sizes >= 1/);
  throws(
    () => runHere('GridSample', [floats([1, 1, 1, 1, 1, 1, 1, 1]), floats([1, 1, 1, 1, 1, 1, 1, 6])]),
    UnsupportedError,
    /at most 5 spatial axes/,
  );
});

test('AffineGrid', async () => {
  for (const align of [0, 1]) {
    const a = { align_corners: int(align) };
    await agree('AffineGrid', [floats([2, 2, 3]), list(2, 3, 4, 5)], a, { opset: 20 });
    await agree('AffineGrid', [floats([2, 3, 4]), list(2, 3, 4, 5, 6)], a, { opset: 20 });
  }
  // One element has its middle at 0, aligned or not.
  const theta = of([1, 2, 3], 1, 0, 0, 0, 1, 0);
  const [y] = runHere('AffineGrid', [theta, list(1, 1, 1, 2)], { align_corners: int(1) }, { opset: 20 });
  assert.equal([...y!.data], [-1, 0, 1, 0]);
  throws(
    () => runHere('AffineGrid', [theta, list(1, 1, 2)], {}, { opset: 20 }),
    ModelError,
    /size: expected \[N, C, H, W\]/,
  );
  throws(
    () => runHere('AffineGrid', [theta, list(2, 1, 2, 2)], {}, { opset: 20 }),
    ModelError,
    /theta: expected shape \[2,2,3\]/,
  );
  throws(
    () => runHere('AffineGrid', [theta, list(1, 1, 2 ** 20, 2 ** 20)], {}, { opset: 20 }),
    ModelError,
    /more than 2147483647 elements/,
  );
});

test.run();
