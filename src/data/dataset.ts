/** Samples for calibration and evaluation, streamed in batches. */
import { DataError } from '../errors.ts';
import { show, showDims } from '../onnx/show.ts';
import type { DType, Tensor } from '../tensor.ts';
import { findNonFinite } from './finite.ts';

/** Some samples: what a model is run on at once. */
export interface Batch {
  /** Model input name to its tensor. */
  readonly feeds: Readonly<Record<string, Tensor>>;
  /** Integers: a class a sample, [n], or one a position, [n, t]; negative ones are ignored. */
  readonly labels?: Tensor;
  /** Numbers the first output is to come near to. */
  readonly targets?: Tensor;
  /** Number of samples. */
  readonly count: number;
}

/** Which samples are wanted. */
export interface BatchOptions {
  /** Most samples to give. */
  readonly limit?: number;
  /** First sample, from 0. */
  readonly start?: number;
}

/** What is known of an array before its samples are read. */
export interface Column {
  readonly dtype: DType;
  /** Shape, the sample axis included where there is one. */
  readonly dims: readonly number[];
  /** All samples, where they are in memory. */
  readonly all?: Tensor;
}

/** Samples that can be read in batches, as often as needed. */
export interface Dataset {
  /** Number of samples. */
  readonly count: number;
  /** Names of the arrays meant for model inputs: all but `labels` and `targets`. */
  readonly names: readonly string[];
  /** What errors call it: a file name. */
  readonly name?: string;
  /** The arrays by name, labels and targets among them. */
  readonly columns?: ReadonlyMap<string, Column>;
  /** True where every sample is fed as it is, without a sample axis: batches are single samples then. */
  readonly single?: boolean;
  /** How samples were made of files, where they were: the same files and the same text make the same samples. */
  readonly preprocessing?: string;
  /** What became of the files it was made of, for people. */
  readonly notes?: readonly string[];
  /**
   * Batches of `size` samples in order, the last one smaller where they do not divide.
   * @throws RangeError for a size, limit or start that is no count; DataError where a sample cannot be used
   */
  batches(size: number, options?: BatchOptions): AsyncIterable<Batch>;
}

/** Arrays that are no model inputs. */
const LABELS = 'labels';
const TARGETS = 'targets';

function isFeed(name: string): boolean {
  return name !== LABELS && name !== TARGETS;
}

/**
 * Arrays whose first axis counts the samples. Batches are views of them.
 * @param name what errors call them: a file name
 * @throws DataError for no arrays, no samples, arrays that differ in their number, labels that are no integers
 */
export function datasetFromArrays(arrays: ReadonlyMap<string, Tensor>, name = 'data'): Dataset {
  const entries = [...arrays];
  const first = entries[0];
  if (!first) throw new DataError(`${name}: no arrays`);
  for (const [key, t] of entries) {
    if (t.dims.length === 0)
      throw new DataError(
        `${name}: array ${show(key)} is a scalar, but the first axis counts the samples; give one file a sample for inputs without that axis`,
      );
    if (t.dims[0] !== first[1].dims[0])
      throw new DataError(
        `${name}: array ${show(first[0])} has ${first[1].dims[0]} samples but ${show(key)} has ${t.dims[0]}; the first axis counts the samples`,
      );
  }
  const count = first[1].dims[0]!;
  if (count === 0) throw new DataError(`${name}: no samples: array ${show(first[0])} is ${showDims(first[1].dims)}`);
  checkLabels(arrays.get(LABELS), name);
  return {
    count,
    name,
    names: entries.map(([key]) => key).filter(isFeed),
    columns: new Map(entries.map(([key, t]) => [key, { dtype: t.dtype, dims: t.dims, all: t }])),
    batches(size, options) {
      const [start, end] = rangeOf(count, size, options);
      return (async function* () {
        for (let at = start; at < end; at += size) {
          const n = Math.min(size, end - at);
          yield batchOf(new Map(entries.map(([key, t]) => [key, slice(t, at, n)])), n);
        }
      })();
    },
  };
}

/** Samples `start`..`start + n - 1` of a tensor, as a view. */
function slice(t: Tensor, start: number, n: number): Tensor {
  const each = t.data.length / t.dims[0]!;
  return {
    dtype: t.dtype,
    dims: [n, ...t.dims.slice(1)],
    data: t.data.subarray(start * each, (start + n) * each),
  };
}

function batchOf(arrays: ReadonlyMap<string, Tensor>, count: number): Batch {
  const labels = arrays.get(LABELS);
  const targets = arrays.get(TARGETS);
  return {
    feeds: Object.fromEntries([...arrays].filter(([key]) => isFeed(key))),
    ...(labels ? { labels } : {}),
    ...(targets ? { targets } : {}),
    count,
  };
}

/** The samples that are asked for. */
export function rangeOf(count: number, size: number, options: BatchOptions = {}): [start: number, end: number] {
  const { start = 0, limit = count } = options;
  if (!Number.isSafeInteger(size) || size < 1)
    throw new RangeError(`batches: expected a size of 1 or more, got ${size}`);
  if (!Number.isSafeInteger(start) || start < 0)
    throw new RangeError(`batches: expected a start of 0 or more, got ${start}`);
  if (!Number.isSafeInteger(limit) || limit < 0)
    throw new RangeError(`batches: expected a limit of 0 or more, got ${limit}`);
  return [start, Math.min(count, start + limit)];
}

const INTEGERS: readonly DType[] = ['int8', 'uint8', 'int16', 'uint16', 'int32', 'uint32', 'int64', 'uint64'];

function checkLabels(labels: Tensor | undefined, name: string): void {
  if (labels && !INTEGERS.includes(labels.dtype))
    throw new DataError(
      `${name}: labels are ${labels.dtype} ${showDims(labels.dims)}, expected integers (targets may be numbers)`,
    );
}

/** One sample: its arrays exactly as the model takes them. */
export interface Sample {
  /** What errors call it: a file or folder name. */
  readonly name: string;
  read(): ReadonlyMap<string, Tensor> | Promise<ReadonlyMap<string, Tensor>>;
}

/**
 * Samples that are files of their own, read one at a time and fed as they are: for samples that differ in shape and inputs
 * without a sample axis. The first one is read at once to learn the names; all must have the same arrays and types.
 * @throws DataError for no samples
 */
export async function datasetFromSamples(samples: readonly Sample[], name = 'data'): Promise<Dataset> {
  const first = samples[0];
  if (!first) throw new DataError(`${name}: no samples`);
  const columns = new Map<string, Column>();
  for (const [key, t] of await readSample(first, undefined)) columns.set(key, { dtype: t.dtype, dims: t.dims });
  return {
    count: samples.length,
    name,
    names: [...columns.keys()].filter(isFeed),
    columns,
    single: true,
    batches(size, options) {
      const [start, end] = rangeOf(samples.length, size, options);
      return (async function* () {
        for (let i = start; i < end; i++) yield batchOf(await readSample(samples[i]!, columns), 1);
      })();
    },
  };
}

async function readSample(
  sample: Sample,
  expected: ReadonlyMap<string, Column> | undefined,
): Promise<ReadonlyMap<string, Tensor>> {
  const arrays = await sample.read();
  for (const [key, t] of arrays) {
    const column = expected?.get(key);
    if (expected && !column)
      throw new DataError(
        `${sample.name}: array ${show(key)}, expected ${[...expected.keys()].map(show).join(', ')} as in the first sample`,
      );
    if (column && (column.dtype !== t.dtype || column.dims.length !== t.dims.length))
      throw new DataError(
        `${sample.name}: array ${show(key)} is ${t.dtype} ${showDims(t.dims)}, expected ${column.dtype} of ${column.dims.length} dimensions as in the first sample`,
      );
    const bad = findNonFinite(t);
    if (bad) throw new DataError(`${sample.name}: array ${show(key)} holds ${bad.value} at element ${bad.index}`);
  }
  for (const key of expected?.keys() ?? [])
    if (!arrays.has(key))
      throw new DataError(`${sample.name}: array ${show(key)} is missing, which the first sample has`);
  checkLabels(arrays.get(LABELS), sample.name);
  return arrays;
}
