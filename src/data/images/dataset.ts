/** Images as a dataset: decoded one by one, whenever they are asked for. */
import { DataError } from '../../errors.ts';
import type { Model } from '../../onnx/model.ts';
import { show } from '../../onnx/show.ts';
import { arrayOf, sizeOf, type Tensor } from '../../tensor.ts';
import { type Batch, type Column, type Dataset, rangeOf } from '../dataset.ts';
import { fitted } from './fit.ts';
import { type Labelled, listImages } from './labels.ts';
import type { ImageFile, ImageOptions } from './options.ts';
import { MAX_IMAGE_BYTES } from './paths.ts';
import { toColour, toGrey } from './picture.ts';
import { bytesOf, decodeImage } from './read.ts';
import { type Target, targetOf, writeValues } from './target.ts';
import { breath } from '../../progress.ts';

/** Pixels of samples that are kept for a second pass, in bytes. */
const KEPT_BYTES = 2 ** 28;
/** Most bytes of a sample, and of those that are run at once. */
const MAX_SAMPLE_BYTES = 2 ** 28;
const MAX_BATCH_BYTES = 2 ** 31 - 1;
/** The event loop gets a turn after so many milliseconds of decoding. */
const TURN_MS = 25;

/** `datasetFromImages`, once its code is there. */
export async function imagesDataset(
  files: readonly ImageFile[],
  model: Pick<Model, 'graph'>,
  options: ImageOptions,
  name: string,
): Promise<Dataset> {
  const target = targetOf(model, options);
  const { images, notes } = await listImages(files, options.sorted ?? false, name);
  const count = images.length;
  const labels = labelsOf(images);
  const columns = new Map<string, Column>([[target.input, { dtype: target.dtype, dims: [count, ...target.dims] }]]);
  if (labels) columns.set('labels', { dtype: 'int64', dims: [count], all: labels });
  const kept = new Map<number, Uint8Array>();
  const bytes = sizeOf(target.dims) * arrayOf(target.dtype).BYTES_PER_ELEMENT;
  if (bytes > MAX_SAMPLE_BYTES)
    throw new DataError(
      `${name}: samples of [${target.dims}] take ${bytes} bytes each, expected at most ${MAX_SAMPLE_BYTES}`,
    );
  const room = Math.floor(KEPT_BYTES / sizeOf(target.dims));
  let turn = Date.now();
  /** The pixels of sample i. */
  const pixelsOf = async (i: number): Promise<Uint8Array> => {
    const there = kept.get(i);
    if (there) return there;
    const pixels = await decoded(images[i]!.file, target, name);
    if (kept.size < room) kept.set(i, pixels);
    if (Date.now() - turn < TURN_MS) return pixels;
    await breath();
    turn = Date.now();
    return pixels;
  };
  return {
    count,
    name,
    names: [target.input],
    columns,
    preprocessing: target.text,
    notes: [...notes, `${name}: ${count} image${count === 1 ? '' : 's'}: ${target.text}`],
    batches(size, batchOptions) {
      const [start, end] = rangeOf(count, size, batchOptions);
      return (async function* () {
        for (let at = start; at < end; at += size) yield await batch(at, Math.min(size, end - at));
      })();
    },
  };

  async function batch(at: number, n: number): Promise<Batch> {
    if (n * bytes > MAX_BATCH_BYTES)
      throw new DataError(`${name}: ${n} samples at once take ${n * bytes} bytes: take fewer`);
    const each = sizeOf(target.dims);
    const data = new (arrayOf(target.dtype))(n * each);
    for (let i = 0; i < n; i++)
      writeValues(await pixelsOf(at + i), target, data.subarray(i * each, (i + 1) * each) as Uint8Array);
    return {
      feeds: { [target.input]: { dtype: target.dtype, dims: [n, ...target.dims], data } },
      ...(labels ? { labels: { ...labels, dims: [n], data: labels.data.subarray(at, at + n) } } : {}),
      count: n,
    };
  }
}

function labelsOf(images: readonly Labelled[]): Tensor | undefined {
  if (images[0]?.label === undefined) return undefined;
  return {
    dtype: 'int64',
    dims: [images.length],
    data: BigInt64Array.from(images, ({ label }) => BigInt(label!)),
  };
}

/** An image's pixels in the target's size and channels. */
async function decoded(file: ImageFile, target: Target, name: string): Promise<Uint8Array> {
  const label = `${name}: image ${show(file.path)}`;
  const bytes = await bytesOf(file, label);
  if (bytes.length > MAX_IMAGE_BYTES)
    throw new DataError(`${label}: ${bytes.length} bytes, expected at most ${MAX_IMAGE_BYTES}`);
  const picture = decodeImage(bytes, label);
  return fitted(target.channels === 1 ? toGrey(picture) : toColour(picture), target);
}
