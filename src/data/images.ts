/** JPEG and PNG images as samples. The decoders are loaded when they are first needed. */
import { DataError } from '../errors.ts';
import type { Model } from '../onnx/model.ts';
import { show } from '../onnx/show.ts';
import type { Dataset } from './dataset.ts';
import type { ImageFile, ImageOptions } from './images/options.ts';
import { MAX_IMAGE_BYTES } from './images/paths.ts';
import { zipEntries } from './zip.ts';

/**
 * Images as samples of a model with one input, of shape [N, channels, height, width], [N, height, width, channels] or, flat,
 * [N, values], with 1 (grey) or 3 channels of type uint8, float16, float or double. Every image is decoded when a batch needs it; up to
 * 256 MiB of pixels are kept for the next pass.
 *
 * JPEG: baseline and progressive, grey, colour, CMYK with an Adobe segment. PNG: all. EXIF orientation is followed, transparency left out (a pixel
 * keeps its colour), 16-bit samples are rounded to 8 bits, colour profiles passed over. Sizes are changed with a triangle filter,
 * without aliases, as Pillow's BILINEAR does. The same files give the same samples in every environment.
 *
 * Labels: from `labels.csv` (rows `image,label`) or `labels.txt` (rows `image label`, or one label an image in the order of the images)
 * among the files, whose order is that of its rows; or from folders, one a class: names that are all numbers are the labels, others count
 * from 0 in sorted order. Samples of folders are mixed evenly unless `sorted`.
 * @param files all there are: what is neither an image nor names labels is left out, which `notes` of the dataset tell
 * @param name what errors call them
 * @throws DataError, UnsupportedError, UsageError for files, a model or options that do not go together, here or once an image is decoded
 */
export async function datasetFromImages(
  files: readonly ImageFile[],
  model: Pick<Model, 'graph'>,
  options: ImageOptions = {},
  name = 'images',
): Promise<Dataset> {
  const { imagesDataset } = await import('./images/dataset.ts');
  return imagesDataset(files, model, options, name);
}

/**
 * The files of a .zip archive, inflated when they are read. Folders that all files are in are left off their paths.
 * @param name what errors call the archive
 * @throws DataError for a damaged archive; for a damaged file in it once that is read
 */
export function imageFilesFromZip(bytes: Uint8Array, name = 'images'): ImageFile[] {
  if (!(bytes instanceof Uint8Array))
    throw new TypeError(`imageFilesFromZip: expected a Uint8Array, got ${typeof bytes}`);
  const entries = zipEntries(bytes, name).filter(
    (entry) => !entry.name.endsWith('/') && !entry.name.startsWith('__MACOSX/'),
  );
  if (entries.length === 0) throw new DataError(`${name}: an archive without files`);
  const common = entries.reduce((prefix, { name: own }) => {
    let n = 0;
    while (n < prefix.length && prefix[n] === own[n]) n++;
    return prefix.slice(0, n);
  }, entries[0]!.name);
  const shared = common.lastIndexOf('/') + 1;
  return entries.map((entry) => ({
    path: entry.name.slice(shared),
    bytes: () => {
      if (entry.size <= MAX_IMAGE_BYTES) return entry.read();
      throw new DataError(`${name}: ${show(entry.name)}: ${entry.size} bytes, expected at most ${MAX_IMAGE_BYTES}`);
    },
  }));
}
