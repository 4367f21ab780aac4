import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ModelError, UnsupportedError } from '../../src/errors.ts';
import { tensor, type Tensor } from '../../src/tensor.ts';
import { throws } from '../throws.ts';
import { agree, floats, int, integers, ints, of, runHere, same, string } from './compare.ts';
import { narrowed, widened } from './wide.ts';

const parameters = fc.record({
  n: fc.integer({ min: 1, max: 5 }),
  group: fc.integer({ min: 1, max: 3 }),
  cg: fc.integer({ min: 1, max: 3 }),
  mg: fc.integer({ min: 1, max: 4 }),
  h: fc.integer({ min: 1, max: 12 }),
  w: fc.integer({ min: 1, max: 12 }),
  kernel: fc.tuple(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 4 })),
  strides: fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 3 })),
  dilations: fc.tuple(fc.integer({ min: 1, max: 2 }), fc.integer({ min: 1, max: 3 })),
  pads: fc.tuple(fc.nat(3), fc.nat(3), fc.nat(3), fc.nat(3)),
  bias: fc.boolean(),
  auto: fc.constantFrom('NOTSET', 'NOTSET', 'SAME_UPPER', 'SAME_LOWER', 'VALID'),
});

test('kernel, stride, dilation, padding, groups, bias', async () => {
  await fc.assert(
    fc.asyncProperty(parameters, async (p) => {
      const fits = (size: number, i: number) => {
        const pad = p.auto === 'NOTSET' ? p.pads[i]! + p.pads[i + 2]! : 0;
        return size + pad >= (p.kernel[i]! - 1) * p.dilations[i]! + 1;
      };
      fc.pre(fits(p.h, 0) && fits(p.w, 1));
      const c = p.cg * p.group;
      const m = p.mg * p.group;
      // onnxruntime refuses dilations with SAME padding.
      const same = p.auto.startsWith('SAME');
      await agree(
        'Conv',
        [floats([p.n, c, p.h, p.w]), floats([m, p.cg, ...p.kernel]), p.bias ? floats([m]) : undefined],
        {
          group: int(p.group),
          strides: ints(...p.strides),
          ...(same ? {} : { dilations: ints(...p.dilations) }),
          ...(p.auto === 'NOTSET' ? { pads: ints(...p.pads) } : { auto_pad: string(p.auto) }),
        },
        { atol: 2e-5 },
      );
    }),
    { numRuns: 120, seed: 3 },
  );
});

test('one spatial axis', async () => {
  await agree(
    'Conv',
    [floats([3, 4, 17]), floats([6, 4, 3]), floats([6])],
    { pads: ints(1, 2), strides: ints(2) },
    { atol: 2e-5 },
  );
  await agree('Conv', [floats([1, 4, 9]), floats([4, 1, 3])], { group: int(4) }, { atol: 2e-5 });
});

test('pointwise on wide maps, depthwise, many small images', async () => {
  await agree('Conv', [floats([2, 6, 17, 17]), floats([8, 3, 1, 1]), floats([8])], { group: int(2) }, { atol: 2e-5 });
  await agree(
    'Conv',
    [floats([2, 8, 9, 9]), floats([16, 1, 3, 3])],
    { group: int(8), pads: ints(1, 1, 1, 1) },
    { atol: 2e-5 },
  );
  await agree(
    'Conv',
    [floats([70, 5, 3, 3]), floats([7, 5, 3, 3]), floats([7])],
    { pads: ints(1, 1, 1, 1) },
    { atol: 2e-5 },
  );
});

test('three spatial axes, and four', async () => {
  await fc.assert(
    fc.asyncProperty(
      parameters,
      fc.record({
        d: fc.integer({ min: 1, max: 5 }),
        k: fc.integer({ min: 1, max: 3 }),
        s: fc.integer({ min: 1, max: 2 }),
      }),
      async (p, q) => {
        const kernel = [q.k, ...p.kernel];
        const size = [q.d, p.h, p.w];
        const pads = p.auto === 'NOTSET' ? [1, p.pads[0], p.pads[1], 0, p.pads[2], p.pads[3]] : [0, 0, 0, 0, 0, 0];
        fc.pre(size.every((n, i) => n + pads[i]! + pads[i + 3]! >= (kernel[i]! - 1) * [1, ...p.dilations][i]! + 1));
        const same = p.auto.startsWith('SAME');
        await agree(
          'Conv',
          [
            floats([p.n, p.cg * p.group, ...size]),
            floats([p.mg * p.group, p.cg, ...kernel]),
            p.bias ? floats([p.mg * p.group]) : undefined,
          ],
          {
            group: int(p.group),
            strides: ints(q.s, ...p.strides),
            ...(same ? {} : { dilations: ints(1, ...p.dilations) }),
            ...(p.auto === 'NOTSET' ? { pads: ints(...pads) } : { auto_pad: string(p.auto) }),
          },
          { atol: 3e-5 },
        );
      },
    ),
    { numRuns: 60, seed: 8 },
  );
  // Four axes: the sum over the first is three convolutions over the others.
  const x = floats([1, 2, 3, 2, 4, 5]);
  const w = floats([3, 2, 3, 2, 2, 3]);
  const [y] = runHere('Conv', [x, w]);
  const slice = (t: Tensor, at: number) => {
    const [n, c, , ...rest] = t.dims as number[];
    const size = rest.reduce((a, b) => a * b, 1);
    const data = t.data as Float32Array;
    const out = Array.from({ length: n! * c! }, (_, i) => [
      ...data.slice((i * 3 + at) * size, (i * 3 + at + 1) * size),
    ]);
    return of([n!, c!, ...rest], ...out.flat());
  };
  const parts = [0, 1, 2].map((i) => runHere('Conv', [slice(x, i), slice(w, i)])[0]!);
  const sum = Array.from({ length: y!.data.length }, (_, i) => parts.reduce((s, t) => s + Number(t.data[i]), 0));
  same(y!, of(y!.dims, ...sum), 'four axes', 1e-4, 1e-5);
});

test('a wide image is gathered in slabs', async () => {
  const x = floats([1, 64, 70, 61]);
  await agree('Conv', [x, floats([3, 64, 5, 5])], { pads: ints(2, 2, 2, 2), strides: ints(1, 2) }, { atol: 1e-3 });
  await agree('Conv', [floats([1, 300, 9000]), floats([2, 300, 3])], { pads: ints(1, 1) }, { atol: 1e-3 });
});

test('depthwise with a multiplier, strides and dilations', async () => {
  for (const [stride, dilation] of [
    [1, 1],
    [2, 1],
    [1, 2],
    [3, 1],
  ] as const)
    await agree(
      'Conv',
      [floats([2, 6, 13, 22]), floats([12, 1, 3, 5]), floats([12])],
      { group: int(6), pads: ints(1, 2, 1, 2), strides: ints(stride, stride), dilations: ints(dilation, dilation) },
      { atol: 2e-5 },
    );
  await agree('Conv', [floats([1, 6, 50]), floats([6, 1, 7])], { group: int(6), pads: ints(3, 3) }, { atol: 2e-5 });
});

test('3x3 windows over many channels', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.record({
        n: fc.integer({ min: 1, max: 4 }),
        c: fc.integer({ min: 15, max: 70 }),
        m: fc.integer({ min: 15, max: 40 }),
        h: fc.integer({ min: 2, max: 19 }),
        w: fc.integer({ min: 2, max: 19 }),
        pads: fc.tuple(fc.nat(4), fc.nat(4), fc.nat(4), fc.nat(4)),
        bias: fc.boolean(),
        constant: fc.boolean(),
      }),
      async (p) => {
        fc.pre(p.h + p.pads[0] + p.pads[2] >= 3 && p.w + p.pads[1] + p.pads[3] >= 3);
        await agree(
          'Conv',
          [floats([p.n, p.c, p.h, p.w]), floats([p.m, p.c, 3, 3]), p.bias ? floats([p.m]) : undefined],
          { pads: ints(...p.pads) },
          // Partial sums of 630 products of up to 4 reach about 100, where a float's spacing is 8e-6: some forty of them.
          { atol: 3e-4, constants: p.constant ? [1] : [] },
        );
      },
    ),
    { numRuns: 40, seed: 12 },
  );
});

test('NaN and infinities reach the places that see them and no others', async () => {
  for (const [c, pads] of [
    [20, ints(1, 1, 1, 1)],
    [3, ints(0, 0, 0, 0)],
  ] as const) {
    const x = floats([2, c, 9, 11]);
    const w = floats([18, c, 3, 3]);
    for (const [at, v] of [
      [0, Number.NaN],
      [60, Number.POSITIVE_INFINITY],
      [9 * 11 * c + 50, Number.NEGATIVE_INFINITY],
      [9 * 11 * c + 98, 3e38],
    ] as const)
      (x.data as Float32Array)[at] = v;
    (w.data as Float32Array)[4] = 2;
    await agree('Conv', [x, w], { pads }, { atol: 1e-4, constants: [1] });
    // A zero that meets an infinity is NaN; a bias that is infinite makes its channel so.
    const b = floats([18]);
    (b.data as Float32Array)[3] = Number.NEGATIVE_INFINITY;
    (w.data as Float32Array)[13] = 0;
    await agree('Conv', [x, w, b], { pads }, { atol: 1e-4 });
  }
});

test('an image with a sum that is not finite leaves the others as they were', () => {
  const x = floats([5, 20, 9, 11]);
  const w = floats([18, 20, 3, 3]);
  const each = 18 * 9 * 11;
  const expected = runHere('Conv', [x, w], { pads: ints(1, 1, 1, 1) })[0]!.data as Float32Array;
  const holed = { ...x, data: x.data.slice() as Float32Array };
  for (const image of [1, 3]) holed.data[image * 20 * 99 + 50] = Number.NaN;
  const found = runHere('Conv', [holed, w], { pads: ints(1, 1, 1, 1) })[0]!.data as Float32Array;
  for (let i = 0; i < 5; i++) {
    const own = found.subarray(i * each, (i + 1) * each);
    if (i % 2 === 0) assert.equal(own, expected.subarray(i * each, (i + 1) * each), `image ${i}`);
    else assert.is(own.filter((v) => Number.isNaN(v)).length, 18 * 9, `image ${i}`);
  }
});

test('sizes of zero', () => {
  const pads = ints(1, 1, 1, 1);
  const w = floats([17, 16, 3, 3]);
  assert.equal(runHere('Conv', [floats([0, 16, 8, 8]), w], { pads })[0]!.dims, [0, 17, 8, 8]);
  const none = runHere('Conv', [floats([1, 16, 8, 8]), floats([0, 16, 3, 3])], { pads })[0]!;
  assert.equal(none.dims, [1, 0, 8, 8]);
  const bias = runHere('Conv', [floats([1, 0, 4, 4]), floats([2, 0, 3, 3]), of([2], 1.5, -2)], { pads })[0]!;
  assert.equal([...bias.data], [...new Array(16).fill(1.5), ...new Array(16).fill(-2)]);
});

test('double runs in double, float16 through float', () => {
  const x = floats([2, 4, 6, 7]);
  const w = floats([6, 2, 3, 3]);
  const b = floats([6]);
  const a = { group: int(2), pads: ints(1, 1, 0, 1), strides: ints(1, 2) };
  const y = runHere('Conv', [x, w, b], a)[0]!;
  same(narrowed(runHere('Conv', [x, w, b].map(widened), a)[0]!), y, 'double', 1e-5, 1e-5);
  const third = tensor('double', [1, 1, 1], Float64Array.of(1 / 3));
  same(runHere('Conv', [third, third])[0]!, tensor('double', [1, 1, 1], Float64Array.of(1 / 3 / 3)), '1/9', 1e-15, 0);
  const halves = tensor('float16', [1, 1, 2], Uint16Array.of(0x3c00, 0x4000));
  const two = tensor('float16', [1, 1, 1], Uint16Array.of(0x4000));
  same(runHere('Conv', [halves, two])[0]!, tensor('float16', [1, 1, 2], Uint16Array.of(0x4000, 0x4400)), 'halves');
});

test('what does not fit is said', () => {
  const x = floats([1, 4, 8, 8]);
  assert.throws(
    () => runHere('Conv', [x, floats([2, 3, 3, 3])]),
    /X has 4 channels and W \[2,3,3,3\] with group 1 expects 3/,
  );
  assert.throws(
    () => runHere('Conv', [x, floats([2, 4, 9, 3])]),
    /window of 9 on axis 2 is larger than the padded input 8/,
  );
  assert.throws(() => runHere('Conv', [x, floats([2, 4, 3, 3]), floats([3])]), /B: expected shape \[2\], found \[3\]/);
  assert.throws(
    () => runHere('Conv', [x, floats([2, 4, 3, 3])], { strides: ints(0, 1) }),
    /attribute "strides": expected sizes >= 1/,
  );
  const weights = floats([2, 4, 3, 3]);
  throws(
    () => runHere('Conv', [integers('int32', [1, 4, 8, 8], 0, 9), weights]),
    UnsupportedError,
    /X: expected type float/,
  );
  throws(() => runHere('Conv', [x, widened(weights)]), ModelError, /W: expected type float, found double/);
  throws(() => runHere('Conv', [x, weights], { pads: ints(2 ** 25, 0, 0, 0) }), UnsupportedError, /at most/);
  throws(() => runHere('Conv', [x, weights], { group: int(0) }), ModelError, /"group": expected >= 1/);
  throws(() => runHere('Conv', [floats([1, 4]), floats([2, 4])]), ModelError, /expected shape \[N, C, spatial/);
});

test.run();
