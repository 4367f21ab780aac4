import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { agree, floats, int, ints, runHere, string } from './compare.ts';

const pair = (min: number, max: number) => fc.tuple(fc.integer({ min, max }), fc.integer({ min, max }));

test('stride, dilation, padding, output padding, groups, bias', async () => {
  const parameters = fc.record({
    n: fc.integer({ min: 1, max: 3 }),
    group: fc.integer({ min: 1, max: 3 }),
    size: pair(1, 6),
    kernel: pair(1, 4),
    strides: pair(1, 3),
    dilations: pair(1, 2),
    pads: fc.tuple(fc.nat(1), fc.nat(1), fc.nat(1), fc.nat(1)),
    extra: fc.boolean(),
    bias: fc.boolean(),
  });
  await fc.assert(
    fc.asyncProperty(parameters, async (p) => {
      const out = (i: number) =>
        (p.size[i]! - 1) * p.strides[i]! + (p.kernel[i]! - 1) * p.dilations[i]! + 1 - p.pads[i]! - p.pads[i + 2]!;
      fc.pre(out(0) > 0 && out(1) > 0);
      const extra = p.strides.map((s) => (p.extra ? s - 1 : 0));
      await agree(
        'ConvTranspose',
        [
          floats([p.n, 2 * p.group, ...p.size]),
          floats([2 * p.group, 3, ...p.kernel]),
          p.bias ? floats([3 * p.group]) : undefined,
        ],
        {
          group: int(p.group),
          strides: ints(...p.strides),
          dilations: ints(...p.dilations),
          pads: ints(...p.pads),
          output_padding: ints(...extra),
        },
        { atol: 2e-5 },
      );
    }),
    { numRuns: 60, seed: 11 },
  );
});

test('one axis, SAME padding, a given output shape', async () => {
  await agree(
    'ConvTranspose',
    [floats([2, 3, 5]), floats([3, 4, 3])],
    { strides: ints(2), pads: ints(1, 0) },
    { atol: 2e-5 },
  );
  for (const auto of ['SAME_UPPER', 'SAME_LOWER'])
    await agree(
      'ConvTranspose',
      [floats([1, 2, 4, 5]), floats([2, 2, 3, 4])],
      { strides: ints(2, 3), auto_pad: string(auto) },
      { atol: 2e-5 },
    );
  await agree(
    'ConvTranspose',
    [floats([1, 2, 3, 3]), floats([2, 2, 3, 3])],
    { strides: ints(3, 2), output_shape: ints(9, 7) },
    { atol: 2e-5 },
  );
});

test('what does not fit is said', () => {
  assert.throws(
    () => runHere('ConvTranspose', [floats([1, 3, 4, 4]), floats([2, 2, 3, 3])]),
    /expected 3 input channels/,
  );
  assert.throws(
    () => runHere('ConvTranspose', [floats([1, 2, 1, 4]), floats([2, 2, 1, 1])], { pads: ints(1, 0, 1, 0) }),
    /would give an output of -1/,
  );
});

test.run();
