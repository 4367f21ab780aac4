import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { ImageOptions } from '../../../src/data/images/options.ts';
import { type Target, targetOf, writeValues } from '../../../src/data/images/target.ts';
import { DataError, UnsupportedError, UsageError } from '../../../src/errors.ts';
import { arrayOf, type DType } from '../../../src/tensor.ts';
import { throws } from '../../throws.ts';
import { modelOf } from './model.ts';

type Dims = Parameters<typeof modelOf>[0];
const target = (dims: Dims, options: ImageOptions = {}, dtype: DType = 'float') =>
  targetOf(modelOf(dims, dtype), options);
const brief = (t: Target) => [t.width, t.height, t.channels, t.layout, ...t.dims];
const sampleOf = (pixels: Uint8Array, t: Target) => {
  const out = new (arrayOf(t.dtype))(t.dims.reduce((a, b) => a * b, 1));
  writeValues(pixels, t, out as Float32Array);
  return [...(out as Float32Array)];
};

test('the shape is the model’s', () => {
  assert.equal(brief(target(['N', 3, 224, 200])), [200, 224, 3, 'nchw', 3, 224, 200]);
  assert.equal(brief(target([1, 1, 28, 28])), [28, 28, 1, 'nchw', 1, 28, 28]);
  assert.equal(brief(target([null, 224, 200, 3])), [200, 224, 3, 'nhwc', 224, 200, 3]);
  assert.equal(brief(target(['N', 3, 'h', 'w'], { size: 32 })), [32, 32, 3, 'nchw', 3, 32, 32]);
  assert.equal(brief(target(['N', 'h', 'w', 1], { size: { width: 8, height: 6 } })), [8, 6, 1, 'nhwc', 6, 8, 1]);
  assert.equal(brief(target(['N', 'c', 8, 8], { layout: 'nchw' })), [8, 8, 3, 'nchw', 3, 8, 8]);
  assert.equal(brief(target(['N', 3, 8, 3], { layout: 'nhwc' })), [8, 3, 3, 'nhwc', 3, 8, 3]);
  assert.equal(brief(target(['N', 784])), [28, 28, 1, 'nchw', 784]);
  assert.equal(brief(target(['N', 3072], { layout: 'nhwc' })), [32, 32, 3, 'nhwc', 3072]);
  assert.equal(brief(target(['N', 12], { size: { width: 4, height: 3 } })), [4, 3, 1, 'nchw', 12]);
});

test('shapes that are no image’s, and sizes that are not the model’s', () => {
  const data = (dims: Dims, why: RegExp, options: ImageOptions = {}) =>
    throws(() => target(dims, options), DataError, why);
  const usage = (dims: Dims, why: RegExp, options: ImageOptions = {}) =>
    throws(() => target(dims, options), UsageError, why);
  data(['N', 3, 8], /four dimensions, found the model's input 'x' \[N, 3, 8\]: give an \.npz/);
  data(undefined, /without a shape/);
  data(['N', 785], /\[N, 785\]/);
  data(['N', 'd'], /\[N, d\]/);
  data(['N', 4, 8, 8], /1 or 3 channels \(nchw\), found 4/, { layout: 'nchw' });
  usage(['N', 4, 8, 8], /--image-layout/);
  usage(['N', 3, 8, 3], /--image-layout nchw or nhwc: the model's input 'x' \[N, 3, 8, 3\]/);
  usage(['N', 3, 'h', 8], /--image-size: .* leaves the height open/);
  usage(['N', 3, 8, 8], /width 9, expected 8/, { size: 9 });
  usage(['N', 16], /5 x 5 pixels, grey or colour, are not as many numbers as the model's input 'x' \[N, 16\] has/, {
    size: 5,
  });
  data(['N', 3, 8, 99999], /a width of 99999/);
  throws(() => targetOf(modelOf(['N', 3, 8, 8], 'float', 'y'), {}), DataError, /one input, found 2 \('x', 'y'\)/);
  throws(() => targetOf({ graph: { inputs: [], initializers: [] } as never }, {}), DataError, /found 0/);
  throws(() => target(['N', 3, 8, 8], {}, 'int8'), UnsupportedError, /'x' is int8, expected uint8/);
});

test('options that cannot be', () => {
  const range = (options: object, why: RegExp) =>
    throws(() => target(['N', 3, 8, 8], options as ImageOptions), RangeError, why);
  range({ size: 0 }, /image size: expected whole numbers from 1 to 16384, got 0/);
  range({ size: { width: 8, height: 1.5 } }, /got 1\.5/);
  range({ layout: 'chw' }, /image layout: expected one of nchw, nhwc, got chw/);
  range({ fit: 'squash' }, /image fit/);
  range({ order: 'gbr' }, /image order/);
  range({ range: 2 }, /image range/);
  range({ crop: 0 }, /image crop/);
  range({ crop: 1.1 }, /image crop/);
  range({ mean: [Number.NaN] }, /image mean: expected finite numbers, got NaN/);
  range({ std: 0 }, /image std: expected finite numbers > 0, got 0/);
  range({ std: 1e-40 }, /float has not/);
  const usage = (dims: Dims, options: ImageOptions, why: RegExp, dtype: DType = 'float') =>
    throws(() => target(dims, options, dtype), UsageError, why);
  usage(['N', 3, 8, 8], { mean: [1, 2] }, /mean: 2 numbers, expected one or 3/);
  usage(['N', 1, 8, 8], { std: [1, 2, 3] }, /std: 3 numbers, expected one:.* 1 channel$/);
  usage(['N', 1, 8, 8], { order: 'bgr' }, /one channel/);
  usage(['N', 1, 8, 8], { fit: 'pad', crop: 0.5 }, /no effect with pad/);
  usage(['N', 3, 8, 8], { mean: 0.5 }, /mean: has no effect on uint8/, 'uint8');
  usage(['N', 3, 8, 8], { range: 255 }, /image range: has no effect on uint8/, 'uint8');
});

const f = Math.fround;
const pixels = Uint8Array.of(1, 2, 3, 4, 5, 255);

test('values as torchvision makes them, and where they go', () => {
  const [mean, std] = [
    [0.485, 0.456, 0.406],
    [0.229, 0.224, 0.225],
  ];
  const norm = (v: number, c: number) => f(f(f(v / 255) - f(mean[c]!)) / f(std[c]!));
  assert.equal(sampleOf(pixels, target(['N', 3, 1, 2], { mean, std })), [
    norm(1, 0),
    norm(4, 0),
    norm(2, 1),
    norm(5, 1),
    norm(3, 2),
    norm(255, 2),
  ]);
  assert.equal(sampleOf(pixels, target(['N', 1, 2, 3], { mean, std, order: 'bgr', layout: 'nhwc' })), [
    norm(3, 0),
    norm(2, 1),
    norm(1, 2),
    norm(255, 0),
    norm(5, 1),
    norm(4, 2),
  ]);
  assert.equal(sampleOf(pixels, target(['N', 3, 1, 2], {}, 'uint8')), [1, 4, 2, 5, 3, 255]);
  assert.equal(
    sampleOf(pixels, target(['N', 6], { size: { width: 2, height: 1 } }, 'double')),
    [1, 4, 2, 5, 3, 255].map((v) => v / 255),
  );
  assert.equal(sampleOf(pixels, target(['N', 3, 1, 2], { range: 255, mean: [103.939, 116.779, 123.68] })), [
    f(1 - f(103.939)),
    f(4 - f(103.939)),
    f(2 - f(116.779)),
    f(5 - f(116.779)),
    f(3 - f(123.68)),
    f(255 - f(123.68)),
  ]);
  assert.equal(
    sampleOf(pixels, target(['N', 3, 1, 2], { range: 255 }, 'float16')),
    [0x3c00, 0x4400, 0x4000, 0x4500, 0x4200, 0x5bf8],
  );
});

test('the text names everything that decides the values', () => {
  assert.is(target(['N', 3, 8, 6]).text, '6 x 8, crop, rgb, nchw, values / 255');
  assert.is(
    target(['N', 8, 6, 3], { mean: [0.5, 0.4, 0.3], std: 0.25, order: 'bgr', crop: 0.875 }).text,
    '6 x 8, crop to 0.875 of the shorter side, bgr, nhwc, (values / 255 - [0.5, 0.4, 0.3]) / 0.25',
  );
  assert.is(
    target(['N', 784], { fit: 'pad', range: 255, std: 2 }).text,
    '28 x 28, pad, grey, flat nchw, values 0..255 / 2',
  );
  assert.is(target(['N', 1, 8, 8], { fit: 'stretch' }, 'uint8').text, '8 x 8, stretch, grey, nchw, values as they are');
});

test.run();
