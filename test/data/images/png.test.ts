import * as png from 'fast-png';
import * as fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { decodePng, isPng } from '../../../src/data/images/png.ts';
import { DataError, KappaError } from '../../../src/errors.ts';
import { throws } from '../../throws.ts';
import { bytesOf, chunk, END, encodePng, header, join, type PngParts, SAMPLES, SIGNATURE } from './encode.ts';

const DEPTHS: Readonly<Record<number, number[]>> = {
  0: [1, 2, 4, 8, 16],
  2: [8, 16],
  3: [1, 2, 4, 8],
  4: [8, 16],
  6: [8, 16],
};

/** What the pixels are, from the standard's own words. */
function expected({ width, height, depth, colour, samples, palette }: PngParts): number[] {
  const each = SAMPLES[colour]!;
  const channels = colour === 0 || colour === 4 ? 1 : 3;
  const out: number[] = [];
  for (let i = 0; i < width * height; i++)
    for (let c = 0; c < channels; c++)
      out.push(
        colour === 3 ? palette![3 * samples[i]! + c]! : Math.round((samples[i * each + c]! * 255) / (2 ** depth - 1)),
      );
  return out;
}

const images: fc.Arbitrary<PngParts> = fc
  .constantFrom(...Object.entries(DEPTHS).flatMap(([c, depths]) => depths.map((depth) => [Number(c), depth] as const)))
  .chain(([colour, depth]) =>
    fc
      .tuple(fc.integer({ min: 1, max: 19 }), fc.integer({ min: 1, max: 19 }), fc.boolean(), fc.integer(), fc.nat(40))
      .chain(([width, height, interlaced, seed, piece]) =>
        fc
          .array(fc.nat(2 ** depth - 1), {
            minLength: width * height * SAMPLES[colour]!,
            maxLength: width * height * SAMPLES[colour]!,
          })
          .map((samples) => ({
            ...{ width, height, depth, colour, interlaced, samples, piece: 1 + piece },
            filter: (line: number) => Math.abs((line * 7 + seed) % 5),
            ...(colour === 3
              ? { palette: Array.from({ length: 3 * 2 ** depth }, (_, i) => Math.abs((i * 37 + seed) % 256)) }
              : {}),
          })),
      ),
  );

test('every colour type, depth, filter and interlacing', () => {
  fc.assert(
    fc.property(images, (parts) => {
      const file = encodePng(parts);
      assert.ok(isPng(file));
      const { width, height, channels, data } = decodePng(file, 'x.png');
      assert.equal([width, height, channels], [parts.width, parts.height, [0, 4].includes(parts.colour) ? 1 : 3]);
      assert.equal([...data], expected(parts));
    }),
    { numRuns: 300 },
  );
});

test('what fast-png writes, and as fast-png reads it', () => {
  for (const channels of [1, 2, 3, 4] as const)
    for (const interlace of ['null', 'Adam7'] as const) {
      const data = Uint8Array.from({ length: 33 * 21 * channels }, (_, i) => (i * i * 31 + i * 7) % 256);
      const file = png.encode({ width: 33, height: 21, channels, depth: 8, data }, { interlace });
      const there = png.decode(file);
      const kept = channels < 3 ? 1 : 3;
      const ours = decodePng(file, 'x.png');
      assert.is(ours.channels, kept);
      assert.equal(
        ours.data,
        (there.data as Uint8Array).filter((_, i) => i % channels < kept),
      );
    }
});

const grey: PngParts = { width: 3, height: 2, depth: 8, colour: 0, samples: [1, 2, 3, 4, 5, 6] };
const wrong = (file: Uint8Array, why: RegExp) => throws(() => decodePng(file, 'a/x.png'), DataError, why);
const withHeader = (change: (body: Uint8Array) => void) => {
  const body = header(grey).slice(8, 21);
  change(body);
  return join([SIGNATURE, chunk('IHDR', body), encodePng(grey).subarray(33)]);
};

test('a transparent pixel keeps its colour, and a palette of a truecolour image is a suggestion', () => {
  const palette = encodePng({
    ...grey,
    colour: 3,
    palette: [9, 8, 7, ...new Array(18).fill(200)],
    samples: [0, 1, 2, 3, 4, 5],
    chunks: [chunk('tRNS', Uint8Array.of(0))],
  });
  assert.equal([...decodePng(palette, 'p').data.subarray(0, 3)], [9, 8, 7]);
  const colours = { ...grey, width: 1, height: 1, colour: 2, samples: [1, 2, 3], palette: [5, 5, 5] };
  assert.equal([...decodePng(encodePng(colours), 'p').data], [1, 2, 3]);
});

test('orientation in an eXIf chunk', () => {
  const tiff = Uint8Array.of(0x4d, 0x4d, 0, 42, 0, 0, 0, 8, 0, 1, 0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, 6, 0, 0);
  const turned = decodePng(encodePng({ ...grey, chunks: [chunk('eXIf', tiff)] }), 'x');
  assert.equal([turned.width, turned.height, ...turned.data], [2, 3, 4, 1, 5, 2, 6, 3]);
});

test('headers that cannot be', () => {
  wrong(
    withHeader((b) => b.set(bytesOf(0))),
    /x\.png: 0 x 2 pixels, expected at least one/,
  );
  wrong(
    withHeader((b) => b.set(bytesOf(60000, 60000))),
    /60000 x 60000 pixels, expected at most 67 million/,
  );
  wrong(
    withHeader((b) => b.set(bytesOf(70000, 1))),
    /65535 a side/,
  );
  wrong(
    withHeader((b) => b.set([3], 8)),
    /colour type 0 with 3 bits/,
  );
  wrong(
    withHeader((b) => b.set([5], 9)),
    /colour type 5 with 8 bits/,
  );
  wrong(
    withHeader((b) => b.set([1], 11)),
    /filter 1/,
  );
  wrong(
    withHeader((b) => b.set([2], 12)),
    /interlace 2/,
  );
  wrong(join([SIGNATURE, chunk('IHDR', new Uint8Array(12)), END]), /header of 12 bytes/);
  wrong(join([SIGNATURE, header(grey), header(grey), END]), /two headers/);
  wrong(join([SIGNATURE, END]), /does not begin with its header/);
});

test('chunks that cannot be', () => {
  const file = encodePng(grey);
  for (const at of [20, 45]) {
    const bad = file.slice();
    bad[at]! ^= 1;
    wrong(bad, /does not match its CRC-32/);
  }
  for (const length of [8, 20, 33, 40, file.length - 1]) wrong(file.subarray(0, length), /truncated/);
  wrong(join([SIGNATURE, header(grey), END]), /0 bytes of pixels, expected 8/);
  wrong(encodePng({ ...grey, chunks: [chunk('CgBI', bytesOf(1))] }), /'CgBI'/);
  wrong(join([SIGNATURE, header({ ...grey, colour: 3 }), END]), /no PLTE/);
  wrong(encodePng({ ...grey, colour: 3, palette: [1, 2, 3, 4] }), /palette of 4 bytes/);
  wrong(encodePng({ ...grey, colour: 3, palette: [1, 2, 3, 4, 5, 6] }), /colour 2 of a palette of 2/);
  wrong(join([SIGNATURE, header(grey), chunk('IDAT', new Uint8Array(40)), END]), /cannot be inflated/);
});

test('pixels that are too few, too many, or would take much memory', () => {
  wrong(
    join([SIGNATURE, header({ ...grey, height: 9 }), encodePng(grey).subarray(33)]),
    /8 bytes of pixels, expected 36/,
  );
  const few = join([SIGNATURE, header({ ...grey, height: 1 }), encodePng(grey).subarray(33)]);
  assert.equal([...decodePng(few, 'x').data], [1, 2, 3]);
  const huge = join([SIGNATURE, header({ ...grey, width: 8000, height: 8000 }), encodePng(grey).subarray(33)]);
  wrong(huge, /bytes of pixels, expected 64008000: truncated/);
});

test('damaged files end in a picture or an error that names the file', () => {
  const file = encodePng({
    ...grey,
    colour: 3,
    palette: [1, 2, 3, 4, 5, 6, 7, 8, 9],
    samples: [0, 1, 2, 0, 1, 2],
    interlaced: true,
  });
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(file.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 }), (changes) => {
      const bad = file.slice();
      for (const [at, value] of changes) bad[at] = value;
      try {
        assert.is(decodePng(bad, 'x.png').data.length % 3, 0);
      } catch (error) {
        assert.instance(error, KappaError);
        assert.match((error as Error).message, /^x\.png: /);
      }
    }),
    { numRuns: 500 },
  );
});

test.run();
