import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { agree, floats, int, ints, runHere, string } from './compare.ts';

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
  assert.throws(
    () => runHere('Conv', [floats([1, 1, 2, 2, 2]), floats([1, 1, 1, 1, 1])]),
    /3 spatial axes; 1 or 2 are supported/,
  );
});

test.run();
