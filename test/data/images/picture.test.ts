import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { orientationOf } from '../../../src/data/images/exif.ts';
import { checkPixels, type Picture, toColour, toGrey, upright } from '../../../src/data/images/picture.ts';
import { DataError } from '../../../src/errors.ts';
import { throws } from '../../throws.ts';
import { RESIZED } from './photos.ts';

const picture: Picture = { width: 3, height: 2, channels: 1, data: Uint8Array.of(1, 2, 3, 4, 5, 6) };

test('orientations 1 to 8, as EXIF draws them', () => {
  const seen = [
    [1, 2, 3, 4, 5, 6],
    [3, 2, 1, 6, 5, 4],
    [6, 5, 4, 3, 2, 1],
    [4, 5, 6, 1, 2, 3],
    [1, 4, 2, 5, 3, 6],
    [4, 1, 5, 2, 6, 3],
    [6, 3, 5, 2, 4, 1],
    [3, 6, 2, 5, 1, 4],
  ];
  seen.forEach((data, i) => {
    const turned = upright(picture, i + 1);
    assert.equal([turned.width, turned.height], i < 4 ? [3, 2] : [2, 3]);
    assert.equal([...turned.data], data, `orientation ${i + 1}`);
  });
  for (const none of [0, 9, -1]) assert.is(upright(picture, none), picture);
  const colour = toColour(picture);
  assert.equal(toGrey(upright(colour, 6)), upright(picture, 6));
});

test('grey of colours as Pillow has it, and back', () => {
  const colour: Picture = { width: 7, height: 5, channels: 3, data: RESIZED.pixels };
  assert.equal(toGrey(colour), { width: 7, height: 5, channels: 1, data: RESIZED.grey });
  assert.equal([...toColour(picture).data], [1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4, 5, 5, 5, 6, 6, 6]);
  const every = { width: 256, height: 1, channels: 1 as const, data: Uint8Array.from({ length: 256 }, (_, i) => i) };
  assert.equal(toGrey(toColour(every)), every);
});

const tiff = (little: boolean, entries: readonly (readonly [tag: number, type: number, value: number])[]) => {
  const view = new DataView(new ArrayBuffer(10 + 12 * entries.length));
  view.setUint16(0, little ? 0x4949 : 0x4d4d);
  view.setUint16(2, 42, little);
  view.setUint32(4, 8, little);
  view.setUint16(8, entries.length, little);
  entries.forEach(([tag, type, value], i) => {
    view.setUint16(10 + 12 * i, tag, little);
    view.setUint16(12 + 12 * i, type, little);
    view.setUint32(14 + 12 * i, 1, little);
    view.setUint16(18 + 12 * i, value, little);
  });
  return new Uint8Array(view.buffer);
};

test('the orientation in EXIF data of either byte order; upright where there is none that can be read', () => {
  for (const little of [true, false]) {
    const data = tiff(little, [
      [0x010f, 2, 5],
      [0x0112, 3, 8],
    ]);
    assert.is(orientationOf(data), 8);
    for (let length = 0; length < data.length; length++)
      assert.ok([1, 8].includes(orientationOf(data.subarray(0, length))), `${length} bytes`);
    assert.is(orientationOf(data.subarray(0, 22)), 1);
    assert.is(orientationOf(tiff(little, [[0x0112, 3, 9]])), 1);
    assert.is(orientationOf(tiff(little, [[0x0112, 4, 6]])), 1);
  }
  assert.is(orientationOf(undefined), 1);
  assert.is(orientationOf(new Uint8Array(30)), 1);
});

test('pixels are bounded', () => {
  checkPixels(8192, 8192, 'x');
  throws(() => checkPixels(8193, 8192, 'x'), DataError, /x: 8193 x 8192 pixels, expected at most 67 million/);
  throws(() => checkPixels(1, 0, 'x'), DataError, /x: 1 x 0 pixels/);
});

test.run();
