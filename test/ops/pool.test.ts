import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ModelError, UnsupportedError } from '../../src/errors.ts';
import { tensor } from '../../src/tensor.ts';
import { throws } from '../throws.ts';
import { agree, floats, int, integers, ints, of, runHere, same, string } from './compare.ts';
import { narrowed, widened } from './wide.ts';

const parameters = fc.record({
  h: fc.integer({ min: 3, max: 12 }),
  w: fc.integer({ min: 3, max: 12 }),
  kernel: fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 3 })),
  strides: fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 3 })),
  pads: fc.tuple(fc.nat(2), fc.nat(2), fc.nat(2), fc.nat(2)),
  ceil: fc.boolean(),
  include: fc.boolean(),
  auto: fc.constantFrom('NOTSET', 'NOTSET', 'SAME_UPPER', 'SAME_LOWER', 'VALID'),
});

function attributes(p: { kernel: number[]; strides: number[]; pads: number[]; ceil: boolean; auto: string }) {
  // A pad as wide as the kernel is refused by onnxruntime.
  const pads = p.pads.map((v, i) => Math.min(v, p.kernel[i % 2]! - 1));
  // So are SAME padding and strides beyond the kernel.
  const strides = p.strides.map((v, i) => (p.auto.startsWith('SAME') ? Math.min(v, p.kernel[i]!) : v));
  return {
    kernel_shape: ints(...p.kernel),
    strides: ints(...strides),
    ...(p.auto === 'NOTSET' ? { pads: ints(...pads), ceil_mode: int(Number(p.ceil)) } : { auto_pad: string(p.auto) }),
  };
}

test('MaxPool', async () => {
  await fc.assert(
    fc.asyncProperty(parameters, async (p) => {
      await agree('MaxPool', [floats([2, 3, p.h, p.w])], attributes(p));
    }),
    { numRuns: 80, seed: 4 },
  );
});

test('MaxPool with indices, dilations, of bytes, along one axis', async () => {
  const more = { kernel_shape: ints(2, 3), dilations: ints(2, 1), strides: ints(1, 2), pads: ints(1, 1, 0, 1) };
  await agree('MaxPool', [floats([2, 3, 7, 9])], more);
  await agree('MaxPool', [floats([2, 3, 7, 9])], more, { outputs: 2 });
  await agree('MaxPool', [floats([2, 3, 7, 9])], { ...more, storage_order: int(1) }, { outputs: 2 });
  await agree('MaxPool', [integers('uint8', [1, 2, 6, 6], 0, 255)], { kernel_shape: ints(3, 3) });
  await agree('MaxPool', [integers('int8', [1, 2, 6, 6], -128, 127)], {
    kernel_shape: ints(2, 2),
    strides: ints(2, 2),
  });
  await agree('MaxPool', [floats([2, 3, 11])], { kernel_shape: ints(3), strides: ints(2), pads: ints(1, 0) });
});

test('AveragePool', async () => {
  await fc.assert(
    fc.asyncProperty(parameters, async (p) => {
      const a = { ...attributes(p), count_include_pad: int(Number(p.include)) };
      await agree('AveragePool', [floats([2, 3, p.h, p.w])], a, { opset: 19 });
    }),
    { numRuns: 80, seed: 5 },
  );
  await agree(
    'AveragePool',
    [floats([2, 3, 7, 9])],
    { kernel_shape: ints(2, 3), dilations: ints(2, 1) },
    { opset: 19 },
  );
});

test('global pooling', async () => {
  for (const op of ['GlobalAveragePool', 'GlobalMaxPool']) {
    await agree(op, [floats([3, 5, 7, 9])]);
    await agree(op, [floats([3, 5, 11])]);
    await agree(op, [floats([2, 3, 2, 3, 4])]);
  }
});

const spatial = fc.record({
  size: fc.tuple(fc.integer({ min: 3, max: 7 }), fc.integer({ min: 3, max: 7 }), fc.integer({ min: 3, max: 7 })),
  kernel: fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 3 })),
  strides: fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 3 })),
  pads: fc.array(fc.nat(2), { minLength: 6, maxLength: 6 }),
  ceil: fc.boolean(),
  include: fc.boolean(),
});

test('three spatial axes', async () => {
  await fc.assert(
    fc.asyncProperty(spatial, async (p) => {
      const a = {
        kernel_shape: ints(...p.kernel),
        strides: ints(...p.strides),
        pads: ints(...p.pads.map((v, i) => Math.min(v, p.kernel[i % 3]! - 1))),
        ceil_mode: int(Number(p.ceil)),
      };
      const x = floats([2, 3, ...p.size]);
      await agree('MaxPool', [x], a);
      await agree('MaxPool', [x], { ...a, storage_order: int(Number(p.include)) }, { outputs: 2 });
      await agree('AveragePool', [x], { ...a, count_include_pad: int(Number(p.include)) }, { opset: 19 });
      await agree('LpPool', [x], { ...a, p: int(p.include ? 1 : 2) }, { opset: 18 });
    }),
    { numRuns: 40, seed: 6 },
  );
  await agree('MaxPool', [floats([1, 2, 6, 7, 8])], { kernel_shape: ints(2, 2, 3), dilations: ints(2, 1, 2) });
});

test('LpPool and GlobalLpPool', async () => {
  const x = floats([2, 3, 7, 9]);
  await agree('LpPool', [x], { kernel_shape: ints(2, 3), strides: ints(1, 2), p: int(3) });
  await agree('LpPool', [x], { kernel_shape: ints(2, 3), pads: ints(1, 1, 0, 1) }, { opset: 11 });
  await agree('LpPool', [x], { kernel_shape: ints(3, 3), auto_pad: string('SAME_LOWER') }, { opset: 11 });
  await agree('LpPool', [floats([2, 3, 11])], { kernel_shape: ints(4), p: int(1) });
  for (const p of [1, 2, 3]) await agree('GlobalLpPool', [x], { p: int(p) });
  const hundred = runHere('GlobalLpPool', [of([1, 1, 2], 1, 0.5)], { p: int(100) });
  same(hundred[0]!, of([1, 1, 1], 1), 'p = 100');
  throws(() => runHere('LpPool', [x], { kernel_shape: ints(2, 2), p: int(0) }), ModelError, /"p": expected >= 1/);
});

test('double runs in double, float16 through float', async () => {
  const x = floats([2, 3, 5, 6]);
  const a = { kernel_shape: ints(2, 3), pads: ints(1, 1, 0, 1) };
  await agree('MaxPool', [widened(x)], a);
  await agree('MaxPool', [widened(x)], a, { outputs: 2 });
  for (const [op, attributes] of [
    ['AveragePool', a],
    ['LpPool', a],
    ['GlobalAveragePool', {}],
    ['GlobalMaxPool', {}],
    ['GlobalLpPool', {}],
  ] as const)
    same(narrowed(runHere(op, [widened(x)], attributes)[0]!), runHere(op, [x], attributes)[0]!, op);
  const halves = tensor('float16', [1, 1, 2], Uint16Array.of(0x3c00, 0x4000));
  const most = runHere('MaxPool', [halves], { kernel_shape: ints(2) }, { outputs: 2 });
  same(most[0]!, tensor('float16', [1, 1, 1], Uint16Array.of(0x4000)), 'halves');
  assert.equal([...most[1]!.data], [1n]);
});

test('NaN is the largest, and nothing is the lowest', () => {
  const x = of([1, 1, 4], 1, Number.NaN, 3, 2);
  const [y, i] = runHere('MaxPool', [x], { kernel_shape: ints(2) }, { outputs: 2 });
  same(y!, of([1, 1, 3], Number.NaN, Number.NaN, 3), 'NaN');
  assert.equal([...i!.data], [1n, 1n, 2n]);
  // A window wholly in the padding.
  const [z, j] = runHere('MaxPool', [of([1, 1, 1], 5)], { kernel_shape: ints(1), pads: ints(1, 0) }, { outputs: 2 });
  same(z!, of([1, 1, 2], Number.NEGATIVE_INFINITY, 5), 'padding');
  assert.equal([...j!.data], [-1n, 0n]);
});

test('what does not fit is said', () => {
  const x = floats([1, 1, 4, 4]);
  throws(() => runHere('MaxPool', [x], { kernel_shape: ints(2) }), ModelError, /kernel_shape: expected 2 values/);
  throws(() => runHere('AveragePool', [x], { kernel_shape: ints(5, 5) }), ModelError, /larger than the padded input/);
  throws(
    () => runHere('MaxPool', [integers('int32', [1, 1, 4, 4], 0, 9)], { kernel_shape: ints(2, 2) }),
    UnsupportedError,
    /found int32/,
  );
  throws(() => runHere('GlobalMaxPool', [floats([2, 3])]), ModelError, /expected shape \[N, C, spatial/);
});

test('a kernel is required', () => {
  assert.throws(
    () => runHere('MaxPool', [floats([1, 1, 4, 4])]),
    /MaxPool node "node": attribute "kernel_shape" is missing/,
  );
});

test.run();
