import * as fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type Frame, fitted } from '../../../src/data/images/fit.ts';
import type { Picture } from '../../../src/data/images/picture.ts';
import { resample } from '../../../src/data/images/resample.ts';

const grey = (width: number, height: number): Picture => ({
  ...{ width, height, channels: 1 },
  data: Uint8Array.from({ length: width * height }, (_, i) => (i * 37 + 11) % 256),
});
const framed = (picture: Picture, width: number, height: number, options: Partial<Frame> = {}) => [
  ...fitted(picture, { width, height, fit: 'crop', crop: 1, ...options }),
];

test('crop: the shorter side to size, the middle kept', () => {
  const wide = grey(40, 20);
  const whole = resample(wide, { width: 16, height: 8, left: 0, top: 0, columns: 16, rows: 8 });
  const expected: number[] = [];
  for (let y = 0; y < 8; y++) expected.push(...whole.data.subarray(16 * y + 4, 16 * y + 12));
  assert.equal(framed(wide, 8, 8), expected);
  // 256 of which 224 are kept, at scale: 8 of 10
  const larger = resample(wide, { width: 20, height: 10, left: 6, top: 1, columns: 8, rows: 8 });
  assert.equal(framed(wide, 8, 8, { crop: 0.8 }), [...larger.data]);
  assert.equal(framed(grey(8, 8), 8, 8), [...grey(8, 8).data]);
});

test('pad: the longer side to size, black around it; stretch: both sides', () => {
  const white: Picture = { width: 10, height: 5, channels: 1, data: new Uint8Array(50).fill(255) };
  const rows = framed(white, 4, 4, { fit: 'pad' });
  assert.equal(rows, [0, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255, 0, 0, 0, 0]);
  const all = resample(grey(10, 5), { width: 4, height: 4, left: 0, top: 0, columns: 4, rows: 4 });
  assert.equal(framed(grey(10, 5), 4, 4, { fit: 'stretch' }), [...all.data]);
});

test('every image fits, however long', () => {
  const side = fc.oneof(fc.integer({ min: 1, max: 9 }), fc.constantFrom(1, 500));
  fc.assert(
    fc.property(
      side,
      side,
      side,
      side,
      fc.constantFrom('crop' as const, 'pad' as const, 'stretch' as const),
      (w, h, width, height, fit) => {
        const white: Picture = { width: w, height: h, channels: 1, data: new Uint8Array(w * h).fill(200) };
        const sample = framed(white, width, height, { fit });
        assert.is(sample.length, width * height);
        if (fit !== 'pad') assert.ok(sample.every((v) => v === 200));
        else assert.ok(sample.includes(200) && sample.every((v) => v === 200 || v === 0));
      },
    ),
    { numRuns: 150 },
  );
});

test('colours stay together', () => {
  const data = Uint8Array.from({ length: 5 * 3 * 3 }, (_, i) => i);
  const picture: Picture = { width: 5, height: 3, channels: 3, data };
  const middle = [0, 1, 2].flatMap((y) => [...data.subarray(15 * y + 3, 15 * y + 12)]);
  assert.equal(framed(picture, 3, 3), middle);
  const padded = framed(picture, 5, 5, { fit: 'pad' });
  assert.equal(padded, [...new Array(15).fill(0), ...data, ...new Array(15).fill(0)]);
});

test.run();
