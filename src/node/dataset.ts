/** Calibration and evaluation data on disk. */
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type Dataset,
  datasetFromArrays,
  datasetFromSamples,
  readNpz,
  type Sample,
  sampleFromProtos,
} from '../data/index.ts';
import { DataError } from '../errors.ts';
import type { Model, ValueInfo } from '../onnx/index.ts';
import { quoted, readInput, reasonOf } from './read.ts';

const PROTO = /^input_(\d+)\.pb$/;

/**
 * Data for a model: an .npz file whose arrays share a first axis, the samples; or a folder with one .npz a sample, or with
 * ONNX `test_data_set_N` folders of `input_I.pb`, one a sample, in the order of their numbers. Samples of a folder are read
 * one at a time, as they are needed.
 * @param model whose inputs the .pb files are for; needed for these alone
 * @throws DataError for what is missing, empty or damaged, naming the file
 */
export async function openDataset(path: string, model?: Pick<Model, 'graph'>): Promise<Dataset> {
  if (typeof path !== 'string') throw new TypeError(`openDataset: expected a path, got ${typeof path}`);
  const info = await stat(path).catch(() => undefined);
  if (!info?.isDirectory()) return datasetFromArrays(readNpz(await readInput(path, 'data'), path), path);
  return datasetFromSamples(await samplesIn(path, model), path);
}

/** Files that a dataset consists of, in the order they are read: for whoever must know whether the data has changed. */
export async function datasetFiles(path: string): Promise<string[]> {
  const info = await stat(path).catch(() => undefined);
  if (!info?.isDirectory()) return [path];
  const { archives, sets } = await listing(path);
  if (archives.length > 0) return archives.map((name) => join(path, name));
  const files: string[] = [];
  for (const set of sets) for (const name of await protosIn(join(path, set))) files.push(join(path, set, name));
  return files;
}

async function samplesIn(path: string, model: Pick<Model, 'graph'> | undefined): Promise<Sample[]> {
  const { archives, sets } = await listing(path);
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

/** What a folder of data holds: archives or test data sets, not both and not neither. */
async function listing(path: string): Promise<{ archives: string[]; sets: string[] }> {
  const names = await entriesOf(path);
  const archives = names.filter((name) => name.endsWith('.npz'));
  const sets = names.filter((name) => /^test_data_set_\d+$/.test(name));
  if (archives.length > 0 && sets.length > 0)
    throw new DataError(`data ${quoted(path)}: expected .npz files or test_data_set folders, found both`);
  if (archives.length + sets.length === 0)
    throw new DataError(
      `data ${quoted(path)}: expected a folder of .npz files, one a sample, or of test_data_set_N folders, found neither among ${names.length} entries`,
    );
  return { archives, sets };
}

/** input_0.pb, input_1.pb, ... without a gap. */
async function protosIn(folder: string): Promise<string[]> {
  const names = (await entriesOf(folder)).filter((name) => PROTO.test(name));
  const gap = names.findIndex((name, i) => name !== `input_${i}.pb`);
  if (names.length === 0 || gap >= 0)
    throw new DataError(`data ${quoted(folder)}: expected input_${Math.max(0, gap)}.pb, found ${names[gap] ?? 'none'}`);
  return names;
}

async function entriesOf(folder: string): Promise<string[]> {
  try {
    return (await readdir(folder)).sort(byNumber);
  } catch (error) {
    throw new DataError(`data ${quoted(folder)}: ${reasonOf(error)}`, { cause: error });
  }
}

/** Runs of digits compare as numbers, all else by code unit: sample2 before sample10. */
export function byNumber(a: string, b: string): number {
  const [left, right] = [a, b].map((name) => name.split(/(\d+)/));
  for (let i = 0; i < Math.min(left!.length, right!.length); i++) {
    const [x, y] = [left![i]!, right![i]!];
    if (x === y) continue;
    if (i % 2 === 1 && Number(x) !== Number(y)) return Number(x) - Number(y);
    return x < y ? -1 : 1;
  }
  return left!.length - right!.length;
}
