/** Calibration and evaluation data on disk. */
import type { Dirent } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import {
  type Dataset,
  datasetFromArrays,
  datasetFromImages,
  datasetFromSamples,
  type ImageFile,
  imageFilesFromZip,
  type ImageOptions,
  isImagePath,
  readNpz,
  type Sample,
  sampleFromProtos,
} from '../data/index.ts';
import { isHidden, isLabelPath, MAX_IMAGE_BYTES } from '../data/images/paths.ts';
import { byNumber, sortedByNumber } from '../data/order.ts';
import { DataError } from '../errors.ts';
import type { Model, ValueInfo } from '../onnx/index.ts';
import { quoted, readInput, reasonOf } from './read.ts';

const PROTO = /^input_(\d+)\.pb$/;
const ZIP = /\.zip$/i;
/** Folders of images: how many entries they may have in all, and how deep they may lie in each other. */
const MAX_ENTRIES = 2 ** 20;
const MAX_DEPTH = 8;

/**
 * Data for a model: an .npz file whose arrays share a first axis, the samples; a folder with one .npz a sample, or with
 * ONNX `test_data_set_N` folders of `input_I.pb`, one a sample, in the order of their numbers; or images (`datasetFromImages`): a folder
 * of them, of folders of them, one a class, a .zip of that, or one file. Samples of a folder are read one at a time, as they are needed.
 * @param model whose inputs the .pb files or images are for; needed for these alone
 * @param images how images become samples
 * @throws DataError for what is missing, empty or damaged, naming the file; as `datasetFromImages`
 */
export async function openDataset(
  path: string,
  model?: Pick<Model, 'graph'>,
  images: ImageOptions = {},
): Promise<Dataset> {
  if (typeof path !== 'string') throw new TypeError(`openDataset: expected a path, got ${typeof path}`);
  const info = await stat(path).catch(() => undefined);
  const fromImages = (files: readonly ImageFile[]): Promise<Dataset> => {
    if (!model) throw new DataError(`data ${quoted(path)}: images need the model whose input they are`);
    return datasetFromImages(files, model, images, path);
  };
  if (info?.isDirectory()) {
    const { archives, sets } = await listing(path);
    if (archives.length + sets.length > 0) return datasetFromSamples(samplesIn(path, archives, sets, model), path);
    const files = await imagesIn(path);
    if (files.some((file) => isImagePath(file.path))) return fromImages(files);
    throw new DataError(
      `data ${quoted(path)}: expected a folder of .npz files, one a sample, of test_data_set_N folders, or of PNG or JPEG images, found none of these among ${files.length} files`,
    );
  }
  if (isImagePath(basename(path))) return fromImages([{ path: basename(path), bytes: () => readImage(path) }]);
  if (ZIP.test(path)) return fromImages(imageFilesFromZip(await readInput(path, 'data'), path));
  return datasetFromArrays(readNpz(await readInput(path, 'data'), path), path);
}

/** Files that a dataset consists of, in the order they are read: for whoever must know whether the data has changed. */
export async function datasetFiles(path: string): Promise<string[]> {
  const info = await stat(path).catch(() => undefined);
  if (!info?.isDirectory()) return [path];
  const { archives, sets } = await listing(path);
  if (archives.length > 0) return archives.map((name) => join(path, name));
  if (sets.length === 0)
    return sortedByNumber(
      (await imagesIn(path)).map((file) => file.path).filter((file) => isImagePath(file) || isLabelPath(file)),
      (file) => file,
    ).map((file) => join(path, file));
  const files: string[] = [];
  for (const set of sets) for (const name of await protosIn(join(path, set))) files.push(join(path, set, name));
  return files;
}

function readImage(path: string): Promise<Uint8Array> {
  return readInput(path, 'data', { maxBytes: MAX_IMAGE_BYTES });
}

/** All files of a folder and the folders in it, hidden ones left out. */
async function imagesIn(root: string): Promise<ImageFile[]> {
  const files: ImageFile[] = [];
  let entries = 0;
  const visit = async (folder: string, depth: number): Promise<void> => {
    const found = await entriesOf(join(root, folder));
    entries += found.length;
    if (entries > MAX_ENTRIES)
      throw new DataError(`data ${quoted(root)}: more than ${MAX_ENTRIES} files: expected fewer`);
    for (const entry of found) {
      const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
      if (isHidden(entry.name)) continue;
      if (!(await isFolder(root, path, entry))) files.push({ path, bytes: () => readImage(join(root, path)) });
      else if (depth < MAX_DEPTH) await visit(path, depth + 1);
      else throw new DataError(`data ${quoted(root)}: folders more than ${MAX_DEPTH} deep at ${quoted(path)}`);
    }
  };
  await visit('', 0);
  return files;
}

/** Links are followed. */
async function isFolder(root: string, path: string, entry: Dirent): Promise<boolean> {
  if (!entry.isSymbolicLink()) return entry.isDirectory();
  return (await stat(join(root, path)).catch(() => undefined))?.isDirectory() ?? false;
}

function samplesIn(
  path: string,
  archives: readonly string[],
  sets: readonly string[],
  model: Pick<Model, 'graph'> | undefined,
): Sample[] {
  if (archives.length > 0)
    return archives.map((name) => {
      const file = join(path, name);
      return { name: file, read: async () => readNpz(await readInput(file, 'data'), file) };
    });
  if (!model) throw new DataError(`data ${quoted(path)}: folders of .pb files need the model whose inputs they are`);
  const initializers = new Set(model.graph.initializers.map((t) => t.name));
  const inputs = model.graph.inputs.filter((i) => !initializers.has(i.name));
  return sets.map((set) => {
    const folder = join(path, set);
    return { name: folder, read: () => readSet(folder, inputs) };
  });
}

async function readSet(folder: string, inputs: readonly ValueInfo[]) {
  const files: Uint8Array[] = [];
  for (const name of await protosIn(folder)) files.push(await readInput(join(folder, name), 'data'));
  return sampleFromProtos(files, inputs, folder);
}

/** What a folder of data holds: archives or test data sets, not both; neither where it holds images. */
async function listing(path: string): Promise<{ archives: string[]; sets: string[] }> {
  const found = (await entriesOf(path)).map(({ name }) => name);
  const names = sortedByNumber(found, (name) => name);
  const archives = names.filter((name) => name.endsWith('.npz'));
  const sets = names.filter((name) => /^test_data_set_\d+$/.test(name));
  if (archives.length > 0 && sets.length > 0)
    throw new DataError(`data ${quoted(path)}: expected .npz files or test_data_set folders, found both`);
  if (archives.length + sets.length > 0 && names.some(isImagePath))
    throw new DataError(`data ${quoted(path)}: expected images, or .npz files or test_data_set folders, found both`);
  return { archives, sets };
}

/** input_0.pb, input_1.pb, ... without a gap. */
async function protosIn(folder: string): Promise<string[]> {
  const names = (await entriesOf(folder))
    .map(({ name }) => name)
    .filter((name) => PROTO.test(name))
    .sort(byNumber);
  const gap = names.findIndex((name, i) => name !== `input_${i}.pb`);
  if (names.length === 0 || gap >= 0)
    throw new DataError(`data ${quoted(folder)}: expected input_${Math.max(0, gap)}.pb, found ${names[gap] ?? 'none'}`);
  return names;
}

async function entriesOf(folder: string): Promise<Dirent[]> {
  try {
    return await readdir(folder, { withFileTypes: true });
  } catch (error) {
    throw new DataError(`data ${quoted(folder)}: ${reasonOf(error)}`, { cause: error });
  }
}
