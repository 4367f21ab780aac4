import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import * as jpeg from 'jpeg-js';
import { zipSync } from 'fflate';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { readNpz } from '../../src/data/index.ts';
import { type Tensor, tensor } from '../../src/tensor.ts';
import { encodePng } from '../data/images/encode.ts';
import { ROOT } from '../helpers.ts';
import { makePlace, network, npz, type Outcome, type Place } from './command.ts';

interface Context {
  readonly place: Place;
  /** Images of clothes, as bytes, and what they are. */
  readonly pixels: readonly Uint8Array[];
  readonly labels: readonly number[];
}

const RESNET = join(ROOT, 'models', 'resnet18-fashion.onnx');
const COUNT = 40;

const test = suite<Context>('e2e/images');

test.before((context) => {
  const arrays = readNpz(new Uint8Array(readFileSync(join(ROOT, 'models', 'fashion-calib.npz'))), 'fashion');
  const { data } = arrays.get('image')!;
  const pixels = Array.from({ length: COUNT }, (_, i) =>
    Uint8Array.from(data.subarray(784 * i, 784 * (i + 1)) as Float32Array, (v) => Math.round(v * 255)),
  );
  const labels = Array.from(arrays.get('labels')!.data.subarray(0, COUNT) as BigInt64Array, Number);
  Object.assign(context, { place: makePlace(), pixels, labels });
  const put = (path: string, bytes: Uint8Array | string) => {
    mkdirSync(dirname(join(context.place.dir, path)), { recursive: true });
    writeFileSync(join(context.place.dir, path), bytes);
  };
  const files = pixels.map((samples) => encodePng({ width: 28, height: 28, depth: 8, colour: 0, samples }));
  files.forEach((file, i) => put(`flat/${i}.png`, file));
  files.forEach((file, i) => put(`classes/${labels[i]}/${i}.png`, file));
  put('flat/labels.csv', labels.map((label, i) => `${i}.png,${label}\n`).join(''));
  put('classes.zip', zipSync(Object.fromEntries(files.map((file, i) => [`clothes/${labels[i]}/${i}.png`, file]))));
  const all = Float32Array.from(data.subarray(0, 784 * COUNT) as Float32Array);
  const answers: [string, Tensor] = ['labels', tensor('int64', [COUNT], BigInt64Array.from(labels, BigInt))];
  put('images.npz', npz([['image', tensor('float', [COUNT, 1, 28, 28], all)], answers]));
  // A quick model of 16 inputs, on images of 4 x 4 pixels.
  const tiny = pixels.map((p) => Uint8Array.from({ length: 16 }, (_, i) => p[28 * 7 * (i >> 2) + 7 * (i % 4) + 87]!));
  tiny.forEach((samples, i) => put(`tiny/${i}.png`, encodePng({ width: 4, height: 4, depth: 8, colour: 0, samples })));
  put('tiny/labels.csv', labels.map((label, i) => `${i}.png,${label}\n`).join(''));
  const rows = Float32Array.from(
    tiny.flatMap((samples) => [...samples]),
    (v) => v / 255,
  );
  put('tiny.npz', npz([['x', tensor('float', [COUNT, 16], rows)], answers]));
  put('small.onnx', network([16, 24, 10]));
});
test.after(({ place }) => place.remove());

const ok = (outcome: Outcome) => {
  assert.is(outcome.code, 0, outcome.stderr);
  return outcome;
};
const read = (place: Place, name: string) => readFileSync(join(place.dir, name));

test('eval: images are the arrays they were made from, in folders of classes, a .zip or beside labels.csv', async ({
  place,
}) => {
  const arrays = ok(await place.kappa('eval', RESNET, '--eval', 'images.npz', '--batch', '8', '--json'));
  const flat = ok(await place.kappa('eval', RESNET, '--eval', 'flat', '--batch', '8', '--json'));
  assert.is(flat.stdout, arrays.stdout);
  assert.match(flat.stderr, /flat: 40 images: 28 x 28, crop, grey, nchw, values \/ 255/);
  const classes = ok(await place.kappa('eval', RESNET, '--eval', 'classes', '--json'));
  const zip = ok(await place.kappa('eval', RESNET, '--eval', 'classes.zip', '--json'));
  assert.is(zip.stdout, classes.stdout);
  assert.is(JSON.parse(classes.stdout).accuracy, JSON.parse(arrays.stdout).accuracy);
  assert.match(classes.stderr, /10 classes by folders: '0' = 0/);
});

test('quantize: the same file as from the arrays, and the report says how images became samples', async ({ place }) => {
  const common = ['quantize', 'small.onnx', '--bits', '4', '--json'];
  ok(await place.kappa(...common, '--calib', 'tiny.npz', '-o', 'arrays.onnx'));
  const report = ok(await place.kappa(...common, '--calib', 'tiny', '--eval', 'tiny', '-o', 'images.onnx')).stdout;
  assert.ok(read(place, 'arrays.onnx').equals(read(place, 'images.onnx')));
  const text = '4 x 4, crop, grey, flat nchw, values / 255';
  assert.equal(JSON.parse(report).images, { calibration: text, evaluation: text });
});

test('run: outputs in the order of the paths, and of one photograph', async ({ place, pixels }) => {
  ok(await place.kappa('run', RESNET, '--inputs', 'images.npz', '-o', 'a.npz', '--batch', '16'));
  ok(await place.kappa('run', RESNET, '--inputs', 'flat', '-o', 'b.npz'));
  assert.ok(read(place, 'a.npz').equals(read(place, 'b.npz')));
  const data = Buffer.alloc(4 * 60 * 40);
  for (let y = 0; y < 40; y++)
    for (let x = 0; x < 60; x++)
      data.fill(pixels[0]![28 * Math.min(27, y >> 1) + Math.min(27, x >> 1)]!, 4 * (60 * y + x), 4 * (60 * y + x) + 4);
  place.write('photo.jpg', jpeg.encode({ width: 60, height: 40, data }, 95).data);
  ok(
    await place.kappa(
      'run',
      RESNET,
      '--inputs',
      'photo.jpg',
      '-o',
      'p.npz',
      '--image-fit',
      'pad',
      '--mean',
      '0.5',
      '--std',
      '0.25',
    ),
  );
  const made = readNpz(new Uint8Array(read(place, 'p.npz')));
  assert.equal([...made.values()][0]!.dims, [1, 10]);
});

test('a cache is for these images, taken this way', async ({ place }) => {
  const go = async (...more: string[]) => {
    const made = ['--cache', 'c', '-o', 'x.onnx', '--force', ...more];
    const { stdout, stderr } = ok(
      await place.kappa('quantize', 'small.onnx', '--bits', '4', '--calib', 'tiny', ...made),
    );
    assert.match(stdout, /^calibration images: 4 x 4, crop, grey, flat nchw, /m);
    return stderr;
  };
  assert.match(await go(), /none yet/);
  assert.match(await go(), /used, nothing is measured/);
  assert.match(await go('--mean', '0.5'), /made from another model, data or settings/);
  writeFileSync(join(place.dir, 'tiny', '7.png'), read(place, 'tiny/6.png'));
  assert.match(await go('--mean', '0.5'), /made from another model, data or settings/);
});

test('what cannot be is refused, with the exit code for it', async ({ place }) => {
  const fails = async (code: number, message: RegExp, ...args: string[]) => {
    const { code: found, stderr, stdout } = await place.kappa('eval', 'small.onnx', '--eval', ...args);
    assert.match(stderr, message);
    assert.is(found, code);
    assert.is(stdout, '');
  };
  await fails(2, /32 x 32 pixels, grey or colour, are not as many numbers/, 'tiny', '--image-size', '32');
  mkdirSync(join(place.dir, 'bad'));
  place.write('bad/a.png', read(place, 'tiny/0.png'));
  place.write('bad/b.png', read(place, 'tiny/1.png').subarray(0, 50));
  await fails(3, /bad: image 'b\.png': a PNG that ends too early: truncated/, 'bad');
});

test.run();
