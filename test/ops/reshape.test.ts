import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { KappaError } from '../../src/errors.ts';
import { agree, floats, int, integers, ints, list, runHere, wasm } from './compare.ts';

test('Reshape', async () => {
  const factors = fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 5 });
  await fc.assert(
    fc.asyncProperty(factors, fc.nat(), fc.boolean(), fc.boolean(), async (dims, pick, open, zero) => {
      // Merge two neighbours somewhere; then leave one size open, copy the first.
      const cut = pick % dims.length;
      const shape =
        dims.length > 1 && cut + 1 < dims.length
          ? [...dims.slice(0, cut), dims[cut]! * dims[cut + 1]!, ...dims.slice(cut + 2)]
          : [...dims];
      if (zero && shape[0] === dims[0]) shape[0] = 0;
      if (open) shape[shape.length - 1] = -1;
      await agree('Reshape', [floats(dims), list(...shape)]);
    }),
    { numRuns: 60, seed: 9 },
  );
  await agree('Reshape', [floats([0, 3]), list(3, 0)], { allowzero: int(1) });
  await agree('Reshape', [floats([1]), list()]);
});

test('Reshape refuses', () => {
  assert.throws(
    () => runHere('Reshape', [floats([2, 3]), list(4, 2)]),
    /\[2,3\] has 6 elements and \[4,2\] asks for 8/,
  );
  assert.throws(() => runHere('Reshape', [floats([2, 3]), list(4, -1)]), /has 6 elements, which \[4,-1\] cannot hold/);
  assert.throws(() => runHere('Reshape', [floats([0, 3]), list(0, -1)]), /has 0 elements, which \[0,-1\] cannot hold/);
  assert.throws(() => runHere('Reshape', [floats([2, 3]), list(-1, -1)]), /one -1 at most/);
  assert.throws(() => runHere('Reshape', [floats([6]), list(6, 0)]), /0 at 1 copies an axis that \[6\] does not have/);
});

test('Flatten, Identity, Shape, Size', async () => {
  for (const axis of [0, 1, 2, 3, -1]) await agree('Flatten', [floats([2, 3, 4])], { axis: int(axis) });
  await agree('Identity', [floats([2, 3])]);
  await agree('Identity', [integers('int64', [3], 0, 9)]);
  await agree('Shape', [floats([2, 3, 4])]);
  for (const [start, end] of [
    [1, 3],
    [-1, 3],
    [0, -1],
    [2, 1],
    [-9, 9],
  ])
    await agree('Shape', [floats([2, 3, 4])], { start: int(start!), end: int(end!) });
  await agree('Size', [floats([2, 3, 4])]);
});

test('Squeeze, Unsqueeze', async () => {
  await agree('Squeeze', [floats([1, 3, 1, 4]), list(0, -2)]);
  await agree('Squeeze', [floats([1, 3, 1, 4])]);
  await agree('Squeeze', [floats([1, 3, 1])], { axes: ints(0) }, { opset: 11 });
  await agree('Unsqueeze', [floats([3, 4]), list(0, -1)]);
  await agree('Unsqueeze', [floats([3, 4]), list(3, 1)]);
  await agree('Unsqueeze', [floats([3, 4])], { axes: ints(1, 2) }, { opset: 11 });
  assert.throws(() => runHere('Squeeze', [floats([2, 3]), list(0)]), /axis 0 of \[2,3\] has size 2, expected 1/);
});

test('Expand, Tile', async () => {
  await agree('Tile', [integers('uint8', [2, 3, 40], 0, 9), list(2, 1, 3)], {}, { opset: 13 });
  await agree('Tile', [floats([]), list()], {}, { opset: 13 });
  await agree('Squeeze', [floats([1, 3, 1]), list()]);
  await agree('Expand', [floats([3, 1]), list(2, 3, 4)]);
  await agree('Expand', [floats([3, 4]), list(1, 1)]);
  await agree('Expand', [integers('int64', [], 0, 9), list(5)]);
  await agree('Tile', [floats([2, 3]), list(2, 3)]);
  await agree('Tile', [floats([2, 1, 3]), list(1, 4, 2)]);
  await agree('Tile', [integers('int64', [2], 0, 9), list(0)]);
});

test('absurd shapes are refused before anything is allocated', () => {
  const cases = [
    () => runHere('Expand', [floats([1]), list(2 ** 40)]),
    () => runHere('Expand', [integers('int64', [1], 0, 1), list(2 ** 40)]),
    () => runHere('Tile', [floats([2]), list(2 ** 50)]),
    () => runHere('ConstantOfShape', [list(2 ** 30, 2 ** 30)]),
    () => runHere('ConstantOfShape', [list(-5)]),
    () => runHere('ConstantOfShape', [list(2 ** 40, 0)]),
    () => runHere('MaxPool', [floats([1, 1, 3])], { kernel_shape: ints(2 ** 40), pads: ints(2 ** 40, 0) }),
    () => runHere('Reshape', [floats([1]), list(2 ** 52, 2 ** 52)]),
    () => runHere('Pad', [floats([2]), list(2 ** 45, 0)]),
    () => runHere('Pad', [floats([2]), list(-3, 0)]),
    () =>
      runHere(
        'Range',
        [list(0), list(2 ** 50), list(1)].map((t) => ({ ...t, dims: [] })),
      ),
  ];
  for (const f of cases) {
    const peak = wasm.arena.peak;
    assert.throws(f, (e: Error) => e instanceof KappaError && e.message.includes('node "node"'));
    assert.ok(wasm.arena.peak - peak < 2 ** 20);
  }
});

test.run();
