import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { agree, floats, int, integers, ints, runHere, string } from './compare.ts';

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

test('a kernel is required', () => {
  assert.throws(
    () => runHere('MaxPool', [floats([1, 1, 4, 4])]),
    /MaxPool node "node": attribute "kernel_shape" is missing/,
  );
});

test.run();
