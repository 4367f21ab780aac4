import * as fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Picture } from '../../../src/data/images/picture.ts';
import { resample } from '../../../src/data/images/resample.ts';
import { RESIZED } from './photos.ts';

const whole = (picture: Picture, width: number, height: number) =>
  resample(picture, { width, height, left: 0, top: 0, columns: width, rows: height });

const pictures = fc
  .tuple(fc.integer({ min: 1, max: 12 }), fc.integer({ min: 1, max: 12 }), fc.constantFrom(1 as const, 3 as const))
  .chain(([width, height, channels]) =>
    fc
      .uint8Array({ minLength: width * height * channels, maxLength: width * height * channels })
      .map((data): Picture => ({ width, height, channels, data })),
  );
const side = fc.integer({ min: 1, max: 20 });

test('the bytes that Pillow makes', () => {
  for (const { width, height, pixels } of RESIZED.sizes)
    assert.equal(whole({ width: 7, height: 5, channels: 3, data: RESIZED.pixels }, width, height).data, pixels);
});

test('near the sums in double precision, rounded once', () => {
  const line = (size: number, to: number, i: number): [number, number][] => {
    const width = Math.max(1, size / to);
    const shares = Array.from({ length: size }, (_, j): [number, number] => [
      j,
      size === to ? Number(i === j) : Math.max(0, 1 - Math.abs(j + 0.5 - ((i + 0.5) * size) / to) / width),
    ]);
    const sum = shares.reduce((s, [, w]) => s + w, 0);
    return shares.map(([j, w]) => [j, w / sum]);
  };
  fc.assert(
    fc.property(pictures, side, side, (picture, width, height) => {
      const { channels, data } = whole(picture, width, height);
      for (let y = 0, at = 0; y < height; y++)
        for (let x = 0; x < width; x++)
          for (let c = 0; c < channels; c++, at++) {
            let sum = 0;
            for (const [j, v] of line(picture.height, height, y))
              for (const [i, h] of line(picture.width, width, x))
                sum += v * h * picture.data[(j * picture.width + i) * channels + c]!;
            assert.ok(Math.abs(sum - data[at]!) <= 1.01, `${sum} and ${data[at]}`);
          }
    }),
    { numRuns: 60 },
  );
});

test('a window is a part of the whole; the same size changes nothing', () => {
  fc.assert(
    fc.property(pictures, side, side, fc.nat(100), (picture, width, height, seed) => {
      const all = whole(picture, width, height);
      const [left, top] = [seed % width, (seed * 7) % height];
      const [columns, rows] = [1 + (seed % (width - left)), 1 + (seed % (height - top))];
      const part = resample(picture, { width, height, left, top, columns, rows });
      assert.equal([part.width, part.height], [columns, rows]);
      const { channels } = picture;
      const expected: number[] = [];
      for (let y = 0; y < rows; y++) {
        const from = ((top + y) * width + left) * channels;
        expected.push(...all.data.subarray(from, from + columns * channels));
      }
      assert.equal([...part.data], expected);
      assert.equal(whole(picture, picture.width, picture.height), picture);
    }),
    { numRuns: 100 },
  );
});

test('a flat image stays flat, black and white included', () => {
  for (const v of [0, 1, 127, 254, 255])
    for (const [w, h] of [
      [1, 1],
      [300, 2],
      [5, 9],
    ] as const) {
      const flat: Picture = { width: 40, height: 30, channels: 1, data: new Uint8Array(1200).fill(v) };
      assert.ok(whole(flat, w, h).data.every((x) => x === v));
    }
});

test.run();
