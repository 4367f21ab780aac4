import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ModelError, UnsupportedError } from '../../src/errors.ts';
import { tensor } from '../../src/tensor.ts';
import { throws } from '../throws.ts';
import { agree, floats, int, integers, ints, runHere, scalar } from './compare.ts';

const RANGE = { int8: [-128, 127], uint8: [0, 255] } as const;
type Byte = keyof typeof RANGE;
const bytes = (type: Byte, dims: readonly number[]) => integers(type, dims, RANGE[type][0], RANGE[type][1]);

const shapes = fc.record({
  n: fc.integer({ min: 1, max: 3 }),
  group: fc.integer({ min: 1, max: 3 }),
  cg: fc.integer({ min: 1, max: 3 }),
  mg: fc.integer({ min: 1, max: 3 }),
  size: fc.tuple(fc.integer({ min: 3, max: 9 }), fc.integer({ min: 3, max: 9 })),
  kernel: fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 3 })),
  strides: fc.tuple(fc.integer({ min: 1, max: 2 }), fc.integer({ min: 1, max: 2 })),
  pads: fc.tuple(fc.nat(1), fc.nat(1), fc.nat(1), fc.nat(1)),
  perChannel: fc.boolean(),
  signed: fc.boolean(),
  bias: fc.boolean(),
});

test('ConvInteger', async () => {
  await fc.assert(
    fc.asyncProperty(shapes, async (p) => {
      const x = bytes('uint8', [p.n, p.cg * p.group, ...p.size]);
      const w = bytes('uint8', [p.mg * p.group, p.cg, ...p.kernel]);
      const a = { group: int(p.group), strides: ints(...p.strides), pads: ints(...p.pads) };
      await agree('ConvInteger', [x, w, ...(p.bias ? [bytes('uint8', []), bytes('uint8', [])] : [])], a);
    }),
    { numRuns: 40, seed: 31 },
  );
});

test('ConvInteger: a zero point a channel, one and three axes', () => {
  const x = tensor('int8', [1, 1, 3], Int8Array.of(1, 2, 3));
  const w = tensor('int8', [2, 1, 2], Int8Array.of(1, 1, 2, 2));
  const zeros = tensor('int8', [2], Int8Array.of(0, 1));
  const [y] = runHere('ConvInteger', [x, w, scalar('int8', 1), zeros], { pads: ints(1, 0) });
  // Padding is the zero point, so nothing: x less 1 is 0 1 2.
  assert.equal([...y!.data], [0, 1, 3, 0, 1, 3]);
  const cube = tensor('uint8', [1, 1, 2, 2, 2], Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8));
  const ones = tensor('uint8', [1, 1, 2, 2, 2], new Uint8Array(8).fill(1));
  assert.equal([...runHere('ConvInteger', [cube, ones])[0]!.data], [36]);
});

test('QLinearConv', async () => {
  await fc.assert(
    fc.asyncProperty(shapes, async (p) => {
      const m = p.mg * p.group;
      const type: Byte = p.signed ? 'int8' : 'uint8';
      const one = (t: Byte) => bytes(t, []);
      const inputs = [
        bytes(type, [p.n, p.cg * p.group, ...p.size]),
        scalar('float', 0.04),
        one(type),
        bytes('int8', [m, p.cg, ...p.kernel]),
        p.perChannel ? floats([m], 0.01, 0.1) : scalar('float', 0.05),
        p.perChannel ? tensor('int8', [m], new Int8Array(m)) : scalar('int8', 0),
        scalar('float', 0.9),
        one(type),
        ...(p.bias ? [integers('int32', [m], -9000, 9000)] : []),
      ];
      await agree('QLinearConv', inputs, {
        group: int(p.group),
        strides: ints(...p.strides),
        pads: ints(...p.pads),
      });
    }),
    { numRuns: 50, seed: 32 },
  );
});

// More places than a block holds, channels that do not fill a panel, fields side by side and apart, weights known beforehand.
const LARGE = [
  { c: 5, m: 11, size: [19, 23], kernel: [3, 3], strides: [1, 1], pads: [1, 1, 1, 1], group: 1, dilations: [1, 1] },
  { c: 16, m: 20, size: [14, 14], kernel: [1, 1], strides: [1, 1], pads: [0, 0, 0, 0], group: 1, dilations: [1, 1] },
  { c: 16, m: 20, size: [31, 30], kernel: [1, 1], strides: [2, 2], pads: [0, 0, 0, 0], group: 1, dilations: [1, 1] },
  { c: 12, m: 8, size: [17, 16], kernel: [3, 2], strides: [1, 2], pads: [2, 0, 1, 1], group: 4, dilations: [2, 1] },
  { c: 6, m: 6, size: [15, 15], kernel: [3, 3], strides: [1, 1], pads: [1, 1, 1, 1], group: 6, dilations: [1, 1] },
  { c: 3, m: 9, size: [40, 40], kernel: [7, 7], strides: [2, 2], pads: [3, 3, 3, 3], group: 1, dilations: [1, 1] },
  { c: 70, m: 9, size: [6, 5], kernel: [3, 3], strides: [1, 1], pads: [1, 1, 1, 1], group: 1, dilations: [1, 2] },
] as const;

test('convolutions of many shapes, to the bit', async () => {
  for (const p of LARGE) {
    const a = {
      group: int(p.group),
      strides: ints(...p.strides),
      pads: ints(...p.pads),
      dilations: ints(...p.dilations),
    };
    const x = bytes('uint8', [2, p.c, ...p.size]);
    const w = [p.m, p.c / p.group, ...p.kernel];
    const zeros = [bytes('uint8', []), bytes('uint8', [])];
    await agree('ConvInteger', [x, bytes('uint8', w), ...zeros], a, { constants: [1, 3] });
    const inputs = [
      x,
      scalar('float', 0.02),
      bytes('uint8', []),
      bytes('int8', w),
      floats([p.m], 0.01, 0.05),
      tensor('int8', [p.m], new Int8Array(p.m)),
      scalar('float', 0.7),
      bytes('uint8', []),
      integers('int32', [p.m], -9000, 9000),
    ];
    await agree('QLinearConv', inputs, a, { constants: [3, 4, 5, 8] });
  }
});

test('QLinearMatMul', async () => {
  for (const [a, b] of [
    ['uint8', 'uint8'],
    ['uint8', 'int8'],
    ['int8', 'int8'],
  ] as const)
    for (const dims of [
      [4, 6],
      [2, 4, 6],
    ]) {
      const inputs = [
        bytes(a, dims),
        scalar('float', 0.02),
        bytes(a, []),
        bytes(b, [6, 5]),
        scalar('float', 0.03),
        bytes(b, []),
        scalar('float', 0.11),
        bytes(a, []),
      ];
      await agree('QLinearMatMul', inputs);
      // A scale and a zero point a column of b.
      inputs[4] = floats([5], 0.01, 0.05);
      inputs[5] = bytes(b, [5]);
      await agree('QLinearMatMul', inputs);
    }
});

test('QLinearMatMul with scales by row', () => {
  const a = tensor('uint8', [2, 1], Uint8Array.of(10, 10));
  const b = tensor('uint8', [1, 2], Uint8Array.of(1, 2));
  const y = runHere('QLinearMatMul', [
    a,
    tensor('float', [2], Float32Array.of(1, 0.5)),
    tensor('uint8', [2], Uint8Array.of(0, 2)),
    b,
    scalar('float', 1),
    scalar('uint8', 0),
    scalar('float', 1),
    scalar('uint8', 3),
  ])[0]!;
  assert.equal([...y.data], [13, 23, 7, 11]);
});

test('what does not fit is said', () => {
  const inputs = [
    bytes('uint8', [1, 2, 4, 4]),
    scalar('float', 0.1),
    scalar('uint8', 3),
    bytes('uint8', [3, 2, 2, 2]),
    scalar('float', 0.1),
    scalar('uint8', 3),
    scalar('float', 0.1),
    scalar('uint8', 3),
  ];
  const put = (i: number, t: (typeof inputs)[number]) => inputs.map((v, j) => (i === j ? t : v));
  throws(() => runHere('QLinearConv', put(4, floats([2]))), ModelError, /w_scale: expected one element or shape \[3\]/);
  throws(() => runHere('QLinearConv', put(1, floats([2]))), ModelError, /x_scale: expected one element/);
  throws(() => runHere('QLinearConv', put(2, bytes('uint8', [2]))), ModelError, /x_zero_point: expected one element/);
  throws(() => runHere('QLinearConv', put(5, bytes('uint8', [2]))), ModelError, /zero point of w/);
  throws(
    () => runHere('QLinearConv', put(0, floats([1, 2, 4, 4]))),
    UnsupportedError,
    /x: expected type int8 or uint8/,
  );
  throws(() => runHere('QLinearConv', put(7, scalar('float', 1))), UnsupportedError, /output type float/);
  throws(() => runHere('QLinearConv', [...inputs, floats([3])]), ModelError, /B: expected type int32/);
  throws(() => runHere('QLinearConv', inputs.slice(0, 7)), ModelError, /input 7 \(y_zero_point\) is missing/);
});

test.run();
