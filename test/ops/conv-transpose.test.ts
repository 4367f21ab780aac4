import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ModelError, UnsupportedError } from '../../src/errors.ts';
import { throws } from '../throws.ts';
import { agree, floats, int, ints, runHere, same, string } from './compare.ts';
import { narrowed, widened } from './wide.ts';

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

test('three spatial axes', async () => {
  const x = floats([2, 4, 3, 4, 2]);
  const w = floats([4, 3, 2, 3, 3]);
  await agree('ConvTranspose', [x, w, floats([3])], { strides: ints(2, 1, 3) }, { atol: 2e-5 });
  await agree(
    'ConvTranspose',
    [x, w],
    { group: int(2), strides: ints(2, 2, 1), pads: ints(0, 1, 1, 1, 0, 1), dilations: ints(1, 2, 1) },
    { atol: 2e-5 },
  );
  await agree(
    'ConvTranspose',
    [x, w],
    { strides: ints(2, 2, 2), output_padding: ints(1, 0, 1), pads: ints(1, 1, 1, 1, 1, 1) },
    { atol: 2e-5 },
  );
});

test('double runs in double', () => {
  const [x, w, b] = [floats([2, 4, 3, 5]), floats([4, 3, 3, 2]), floats([3])];
  const a = { strides: ints(2, 1), pads: ints(1, 0, 0, 1) };
  const y = runHere('ConvTranspose', [x, w, b], a)[0]!;
  same(narrowed(runHere('ConvTranspose', [x, w, b].map(widened), a)[0]!), y, 'double', 1e-5, 1e-5);
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
  const [x, w] = [floats([1, 2, 4, 4]), floats([2, 2, 3, 3])];
  throws(() => runHere('ConvTranspose', [x, w], { strides: ints(2) }), ModelError, /strides: expected 2 values/);
  throws(() => runHere('ConvTranspose', [x, w], { output_shape: ints(7) }), ModelError, /output_shape: expected 2/);
  throws(() => runHere('ConvTranspose', [x, w], { pads: ints(-1, 0, 0, 0) }), UnsupportedError, />= 0/);
  throws(() => runHere('ConvTranspose', [x, w], { output_shape: ints(2 ** 40, 2 ** 40) }), UnsupportedError, /at most/);
  throws(() => runHere('ConvTranspose', [x, w], { strides: ints(2 ** 22, 2 ** 22) }), ModelError, /elements/);
});

test.run();
