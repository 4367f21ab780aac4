import * as fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { decodeJpeg, isJpeg } from '../../../src/data/images/jpeg.ts';
import { DataError, KappaError, UnsupportedError } from '../../../src/errors.ts';
import { throws } from '../../throws.ts';
import { join } from './encode.ts';
import { PHOTOS } from './photos.ts';

for (const photo of PHOTOS)
  test(`${photo.name}: the pixels of libjpeg-turbo, but for how it rounds`, () => {
    assert.ok(isJpeg(photo.file));
    const { width, height, channels, data } = decodeJpeg(photo.file, 'x.jpg');
    assert.equal([width, height, channels], [photo.width, photo.height, photo.channels]);
    const apart = Array.from(data, (v, i) => Math.abs(v - photo.pixels[i]!));
    assert.ok(Math.max(...apart) <= 3, `${Math.max(...apart)} apart`);
    assert.ok(apart.reduce((a, b) => a + b) / apart.length < 0.5);
    assert.ok(Math.max(...data) - Math.min(...data) > 60, 'the image has contrast');
  });

const colour = PHOTOS.find(({ name }) => name === 'colour, half of columns and rows')!.file;
const at = (marker: number, file = colour) => {
  for (let i = 0; i < file.length; i++) if (file[i] === 0xff && file[i + 1] === marker) return i;
  throw new Error('no such marker');
};
const changed = (...changes: (readonly [at: number, value: number])[]) => {
  const file = colour.slice();
  for (const [i, value] of changes) file[i] = value;
  return file;
};
const wrong = (file: Uint8Array, kind: typeof DataError | typeof UnsupportedError, why: RegExp) =>
  throws(() => decodeJpeg(file, 'a/x.jpg'), kind, why);

test('what is not supported says so', () => {
  const frame = at(0xc0);
  wrong(changed([frame + 1, 0xc9]), UnsupportedError, /x\.jpg: an arithmetic-coded JPEG, expected/);
  wrong(changed([frame + 1, 0xc3]), UnsupportedError, /a lossless JPEG/);
  wrong(changed([frame + 4, 12]), UnsupportedError, /12 bits a sample/);
  const cmyk = PHOTOS.find(({ name }) => name === 'CMYK')!.file;
  const adobe = at(0xee, cmyk);
  const without = join([cmyk.subarray(0, adobe), cmyk.subarray(adobe + 2 + 14)]);
  wrong(without, UnsupportedError, /four colours that does not say which/);
});

test('frames and segments that cannot be', () => {
  const frame = at(0xc0);
  wrong(changed([frame + 5, 0], [frame + 6, 0]), DataError, /21 x 0 pixels/);
  wrong(changed([frame + 5, 0xff], [frame + 7, 0xff]), DataError, /expected at most 67 million/);
  wrong(changed([frame + 5, 0x1f], [frame + 7, 0x1f]), DataError, /truncated/);
  wrong(changed([frame + 11, 0x01]), DataError, /sampled 0 x 1/);
  wrong(changed([frame + 11, 0x51]), DataError, /sampled 5 x 1/);
  wrong(changed([frame + 13, 1]), DataError, /component 1 sampled/);
  wrong(changed([frame + 3, 16]), DataError, /frame of 14 bytes for 3 components/);
  wrong(changed([at(0xdb) + 2, 0], [at(0xdb) + 3, 1]), DataError, /a segment of 1 bytes/);
  wrong(join([colour.subarray(0, at(0xda)), colour.subarray(frame)]), DataError, /two frames/);
  wrong(join([colour.subarray(0, frame), colour.subarray(at(0xda))]), DataError, /a scan before its frame/);
  wrong(join([colour.subarray(0, at(0xda)), Uint8Array.of(0xff, 0xd9)]), DataError, /without an image/);
  wrong(join([colour.subarray(0, at(0xc4)), colour.subarray(at(0xda))]), DataError, /cannot be decoded/);
});

test('a file cut off anywhere is an error', () => {
  for (let length = 2; length < colour.length - 1; length += 7)
    wrong(colour.subarray(0, length), DataError, /a\/x\.jpg/);
});

test('many scans are refused', () => {
  const scan = colour.subarray(at(0xda), colour.length - 2);
  const start = colour.subarray(0, at(0xda));
  const file = join([start, ...Array.from({ length: 101 }, () => scan), Uint8Array.of(0xff, 0xd9)]);
  wrong(file, DataError, /more than 100 scans/);
});

test('application data, comments and what lies between segments change nothing', () => {
  const start = colour.subarray(0, 2);
  const comment = Uint8Array.of(0xff, 0xfe, 0, 6, 1, 2, 3, 4);
  const odd = Uint8Array.of(0xff, 0xe5, 0, 4, 0xff, 0xda, 7, 7, 0xff, 0xff);
  const file = join([start, comment, odd, colour.subarray(2), Uint8Array.of(1, 2, 3)]);
  assert.equal(decodeJpeg(file, 'x'), decodeJpeg(colour, 'x'));
});

test('damaged files end in a picture or an error that names the file', () => {
  for (const { file } of [PHOTOS[0]!, PHOTOS[5]!, PHOTOS[7]!])
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(file.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 }),
        (changes) => {
          const bad = file.slice();
          for (const [i, value] of changes) bad[i] = value;
          try {
            const { width, height, channels, data } = decodeJpeg(bad, 'x.jpg');
            assert.is(data.length, width * height * channels);
          } catch (error) {
            assert.instance(error, KappaError);
            assert.match((error as Error).message, /^x\.jpg: .*$/);
          }
        },
      ),
      { numRuns: 150 },
    );
});

test.run();
