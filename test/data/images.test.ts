import * as fc from 'fast-check';
import { zipSync } from 'fflate';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  type Batch,
  checkDataset,
  type Dataset,
  datasetFromImages,
  type ImageFile,
  imageFilesFromZip,
  isImagePath,
} from '../../src/data/index.ts';
import { DataError, UsageError } from '../../src/errors.ts';
import type { Tensor } from '../../src/tensor.ts';
import { failure } from '../random.ts';
import { throws } from '../throws.ts';
import { encodePng } from './images/encode.ts';
import { modelOf } from './images/model.ts';
import { PHOTOS } from './images/photos.ts';

const model = modelOf(['N', 1, 2, 2], 'uint8');
/** An image whose pixels are all v. */
const png = (v: number) => encodePng({ width: 2, height: 2, depth: 8, colour: 0, samples: [v, v, v, v] });
const file = (path: string, v = 0): ImageFile => ({ path, bytes: png(v) });
const text = (path: string, content: string): ImageFile => ({ path, bytes: new TextEncoder().encode(content) });
const open = (files: readonly ImageFile[], sorted = false) => datasetFromImages(files, model, { sorted }, 'pics');
async function all(dataset: Dataset, size = 100, options = {}): Promise<Batch[]> {
  const out: Batch[] = [];
  for await (const batch of dataset.batches(size, options)) out.push(batch);
  return out;
}
/** The first pixel of every sample, with its label. */
async function seen(dataset: Dataset): Promise<string[]> {
  return (await all(dataset)).flatMap(({ feeds, labels, count }) =>
    Array.from({ length: count }, (_, i) => `${feeds.x!.data[4 * i]}${labels ? `:${labels.data[i]}` : ''}`),
  );
}
const refused = async (promise: Promise<unknown>, why: RegExp, kind: new (text: string) => Error = DataError) => {
  const error = await failure(promise);
  assert.instance(error, kind);
  assert.match(error.message, why);
  assert.not.match(error.message, /\n/);
};

test('a flat folder: in the order of numbers in names, without labels, others left out and told', async () => {
  const data = await open([
    file('b10.PNG', 3),
    file('b9.png', 2),
    file('a.png', 1),
    text('notes.md', ''),
    text('.DS_Store', ''),
  ]);
  assert.is(data.count, 3);
  assert.equal(data.names, ['x']);
  assert.equal(await seen(data), ['1', '2', '3']);
  assert.is(data.preprocessing, '2 x 2, crop, grey, nchw, values as they are');
  assert.equal(data.notes, ["pics: no PNG or JPEG, left out: 'notes.md'", `pics: 3 images: ${data.preprocessing}`]);
  assert.equal(data.columns!.get('x'), { dtype: 'uint8', dims: [3, 1, 2, 2] });
  checkDataset(data, model.graph.inputs.slice(0, 1));
});

test('folders are classes: names in their order, or the numbers they are', async () => {
  const names = await open([file('dog/1.png', 1), file('cat/1.png', 2), file('dog/deep/2.png', 3)]);
  assert.equal(await seen(names), ['1:1', '2:0', '3:1']);
  assert.match(names.notes![0]!, /2 classes by folders: 'cat' = 0, 'dog' = 1/);
  const numbers = await open([file('10/a.png', 1), file('2/a.png', 2), file('007/a.png', 3)]);
  assert.equal((await seen(numbers)).sort(), ['1:10', '2:2', '3:7']);
  checkDataset(numbers, model.graph.inputs.slice(0, 1));
});

test('classes are mixed in any part of the samples, unless sorted', async () => {
  const counts = fc.array(fc.integer({ min: 1, max: 12 }), { minLength: 1, maxLength: 4 });
  await fc.assert(
    fc.asyncProperty(counts, async (sizes) => {
      const files = sizes.flatMap((n, c) => Array.from({ length: n }, (_, j) => file(`${c}/${j}.png`, 20 * c + j)));
      const total = files.length;
      const labels = [...(await all(await open(files)))[0]!.labels!.data].map(Number);
      sizes.forEach((n, c) => {
        for (let k = 1; k <= total; k++) {
          const found = labels.slice(0, k).filter((l) => l === c).length;
          assert.ok(Math.abs(found - (n * k) / total) <= sizes.length, `${found} of ${n} in ${k} of ${total}`);
        }
      });
      assert.equal((await seen(await open(files))).sort(), (await seen(await open(files, true))).sort());
      assert.equal(
        await seen(await open(files, true)),
        sizes.flatMap((n, c) => Array.from({ length: n }, (_, j) => `${20 * c + j}:${c}`)),
      );
    }),
    { numRuns: 15 },
  );
});

test('labels.csv: its rows are the samples, in its order', async () => {
  const files = [file('a.png', 1), file('b,c.png', 2), file('d/e.png', 3), file('f.png', 4)];
  const rows = 'file,label\r\nd/e.png,5\r\n"b,c.png", -1\r\na.png,5\r\n';
  const data = await open([...files, text('labels.csv', rows)]);
  assert.equal(await seen(data), ['3:5', '2:-1', '1:5']);
  assert.match(data.notes!.join(), /1 images have no row in labels\.csv, left out/);
  const names = await open([...files, text('labels.csv', 'a.png,zebra\nf.png,ape\n')]);
  assert.equal(await seen(names), ['1:1', '4:0']);
});

test('labels.txt: rows with blanks, or a label for each image', async () => {
  const files = [file('a b.png', 1), file('c.png', 2)];
  assert.equal(await seen(await open([...files, text('labels.txt', 'c.png 7\na b.png\t8\n')])), ['2:7', '1:8']);
  assert.equal(await seen(await open([...files, text('labels.txt', '\ufeff7\n8')])), ['1:7', '2:8']);
});

test('labels that cannot be told', async () => {
  const files = [file('a.png'), file('b.png')];
  await refused(open([...files, text('labels.txt', '1\n2\n3')]), /pics: labels\.txt: 3 labels for 2 images/);
  await refused(
    open([...files, text('labels.csv', 'a.png,1\nz.png,2')]),
    /labels\.csv: row 2: there is no image 'z\.png'/,
  );
  await refused(open([...files, text('labels.csv', 'a.png,1\na.png,2')]), /row 2: 'a\.png' for the second time/);
  await refused(open([...files, text('labels.csv', 'a.png,1\nb.png,')]), /row 2: expected an image and its label/);
  await refused(open([...files, text('labels.csv', 'a.png,1\nb.png')]), /row 2: expected an image and its label/);
  await refused(open([...files, text('labels.csv', 'file,label')]), /no rows/);
  await refused(open([...files, text('labels.csv', '')]), /0 labels for 2 images/);
  await refused(open([...files, { path: 'labels.csv', bytes: Uint8Array.of(0xff, 0xfe) }]), /UTF-8/);
  await refused(open([...files, text('labels.csv', '1\n2'), text('labels.txt', '1\n2')]), /expected one/);
  await refused(open([...files, file('c/d.png')]), /2 images beside folders of 1/);
});

test('files that are no images', async () => {
  await refused(open([]), /pics: expected PNG or JPEG images, found none among 0 files/);
  const others = ['a.webp', 'b.gif', 'c', 'd.heic', 'e.bmp', 'f.tif'].map((path) => text(path, ''));
  await refused(open(others), /none among 6 files \('a\.webp', 'b\.gif', 'c', 'd\.heic', 'e\.bmp' and 1 more\)/);
  await refused(open([file('a.png'), file('a.png')]), /'a\.png' appears twice/);
  await refused(all(await open([text('a.png', 'GIF89a')])), /pics: image 'a\.png': neither a PNG nor a JPEG file/);
  await refused(all(await open([text('a.jpg', '')])), /pics: image 'a\.jpg': an empty file/);
  const gone = () => Promise.reject(new Error('gone'));
  await refused(all(await open([{ path: 'a.png', bytes: gone }])), /image 'a\.png': cannot be read \(gone\)/);
  assert.equal(['a.png', 'x/b.JPEG', 'c.jpg'].map(isImagePath), [true, true, true]);
  assert.equal(['a.png.txt', '.a.png', '.git/b.png', 'png', '__MACOSX/a.png'].map(isImagePath), [
    false,
    false,
    false,
    false,
    false,
  ]);
});

test('an image is what its bytes are, whatever its name says', async () => {
  const photo = PHOTOS[0]!;
  const colour = modelOf(['N', 3, photo.height, photo.width], 'uint8');
  const data = await datasetFromImages([{ path: 'odd.png', bytes: photo.file }], colour);
  const { data: values } = (await all(data))[0]!.feeds.x!;
  assert.is(values.length, 3 * photo.width * photo.height);
  assert.equal(values.subarray(0, 50), values.subarray(photo.width * photo.height, photo.width * photo.height + 50));
});

test('samples are made when they are needed, and kept for the next pass', async () => {
  const asked: string[] = [];
  const files = Array.from({ length: 10 }, (_, i) => ({
    path: `${i}.png`,
    bytes: () => {
      asked.push(`${i}`);
      return png(i);
    },
  }));
  const data = await open(files);
  assert.equal(asked, []);
  const some = await all(data, 2, { start: 3, limit: 3 });
  assert.equal(
    some.map(({ count }) => count),
    [2, 1],
  );
  assert.equal(asked, ['3', '4', '5']);
  assert.equal(
    await seen(data),
    files.map((_, i) => `${i}`),
  );
  assert.equal(
    await seen(data),
    files.map((_, i) => `${i}`),
  );
  assert.equal(asked, ['3', '4', '5', '0', '1', '2', '6', '7', '8', '9']);
  await refused(all(data, 0), /a size of 1 or more/, RangeError);
});

test('what a batch holds is not changed by whoever uses it', async () => {
  const data = await open([file('a.png', 5)]);
  const [first] = await all(data);
  (first!.feeds.x as Tensor).data.fill(9 as never);
  assert.equal(await seen(data), ['5']);
});

test('a damaged image ends the pass with its name', async () => {
  const data = await open([file('a.png'), { path: 'bad.png', bytes: png(1).subarray(0, 40) }]);
  await refused(all(data, 1), /pics: image 'bad\.png': a PNG that ends too early/);
});

test('batches and samples are bounded', async () => {
  const large = modelOf(['N', 3, 16384, 16384], 'float');
  await refused(datasetFromImages([file('a.png')], large), /take 3221225472 bytes each/);
  const files = Array.from({ length: 200 }, (_, i) => file(`${i}.png`));
  const data = await datasetFromImages(files, modelOf(['N', 1, 2048, 2048]));
  await refused(all(data, 200), /200 samples at once take 3355443200 bytes: take fewer/);
  await refused(datasetFromImages([file('a.png')], modelOf(['N', 3, 'h', 'w'])), /--image-size/, UsageError);
});

test('a .zip: folders that all share are left off, what macOS adds passed over', async () => {
  const entries = {
    'set/0/a.png': png(1),
    'set/1/b.png': png(2),
    '__MACOSX/set/._a.png': png(3),
    'set/': new Uint8Array(0),
  };
  const files = imageFilesFromZip(zipSync(entries), 'set.zip');
  assert.equal(
    files.map(({ path }) => path),
    ['0/a.png', '1/b.png'],
  );
  assert.equal(await seen(await open(files)), ['1:0', '2:1']);
  const one = imageFilesFromZip(zipSync({ 'photos/cat/a.png': png(4), 'photos/cat/b.png': png(5) }));
  assert.equal(await seen(await open(one)), ['4', '5'], 'one folder is no class');
  throws(() => imageFilesFromZip(zipSync({})), DataError, /without files/);
  throws(() => imageFilesFromZip(new Uint8Array(30), 'x.zip'), DataError, /x\.zip: the zip archive has no directory/);
  const bad = zipSync({ 'a.png': png(1) }, { level: 0 });
  bad[60]! ^= 1;
  await refused(all(await open(imageFilesFromZip(bad, 'x.zip'))), /x\.zip: 'a\.png': its CRC-32 does not match/);
});

test.run();
