/** Does this data fit this model? */
import { DataError, UnsupportedError } from '../errors.ts';
import type { ValueInfo } from '../onnx/model.ts';
import { show, showDims } from '../onnx/show.ts';
import { dtypeOf } from '../tensor.ts';
import type { Column, Dataset } from './dataset.ts';
import { findNonFinite } from './finite.ts';
import { numpyName } from './names.ts';

/**
 * Checks that a dataset has an array for every input of a model, of its type and shape, finite, and none besides.
 * Samples that are files of their own are checked by the first one here, and each again as it is read.
 * @param inputs the model's inputs that are no initializers
 * @throws DataError naming the array, what was expected and what was found; UnsupportedError for inputs that are no tensors
 */
export function checkDataset(dataset: Dataset, inputs: readonly ValueInfo[]): void {
  const label = dataset.name ?? 'data';
  if (dataset.count === 0) throw new DataError(`${label}: no samples`);
  const there = [...(dataset.columns?.keys() ?? dataset.names)].map((n) => `${show(n)}`).join(', ') || 'none';
  for (const input of inputs)
    if (!dataset.names.includes(input.name))
      throw new DataError(
        `${label}: no array for the model's input ${show(input.name)} (${describe(input)}); there are: ${there}`,
      );
  for (const name of dataset.names)
    if (!inputs.some((input) => input.name === name))
      throw new DataError(
        `${label}: array ${show(name)} is no input of the model, whose inputs are ${inputs.map((i) => `${show(i.name)}`).join(', ')} (besides inputs only 'labels' and 'targets' may be there)`,
      );
  if (!dataset.columns) return;
  const symbols = new Map<string, { value: number; input: string }>();
  const sampleAxis = dataset.single ? 0 : 1;
  const batchSymbols = new Set(sampleAxis ? inputs.map((input) => input.dims?.[0]) : []);
  for (const input of inputs) {
    const column = dataset.columns.get(input.name)!;
    checkType(input, column, label);
    checkShape(input, column, label, dataset);
    for (let i = sampleAxis; i < (input.dims?.length ?? 0); i++) {
      const symbol = input.dims![i]!;
      if (typeof symbol !== 'string' || batchSymbols.has(symbol)) continue;
      const value = column.dims[i]!;
      const before = symbols.get(symbol);
      if (before && before.value !== value)
        throw new DataError(
          `${label}: dimension ${show(symbol)} is ${before.value} in array ${show(before.input)} but ${value} in ${show(input.name)}`,
        );
      symbols.set(symbol, { value, input: input.name });
    }
  }
  for (const [name, column] of dataset.columns) if (name !== 'labels') checkFinite(name, column, label);
}

/**
 * The number of samples the model takes at once where its inputs fix it, undefined where they leave it open.
 * @throws DataError where inputs fix different ones
 */
export function fixedBatch(inputs: readonly ValueInfo[]): number | undefined {
  let fixed: { size: number; input: string } | undefined;
  for (const input of inputs) {
    const size = input.dims?.[0];
    if (typeof size !== 'number') continue;
    if (fixed && fixed.size !== size)
      throw new DataError(
        `the model's input ${show(fixed.input)} takes ${fixed.size} samples at once but ${show(input.name)} ${size}: give one file a sample`,
      );
    fixed = { size, input: input.name };
  }
  return fixed?.size;
}

/**
 * Samples at once and in all: those wanted, or whole batches of the size the model takes where its inputs fix it.
 * @param limit most samples; at least one batch is taken
 */
export function batchesFor(
  dataset: Dataset,
  inputs: readonly ValueInfo[],
  wanted: number,
  limit: number = dataset.count,
): { batch: number; samples: number } {
  const samples = Math.min(dataset.count, limit);
  const fixed = dataset.single ? undefined : fixedBatch(inputs);
  if (fixed === undefined || fixed < 1) return { batch: wanted, samples };
  return { batch: fixed, samples: Math.max(fixed, samples - (samples % fixed)) };
}

function describe(input: ValueInfo): string {
  const type = input.elemType === undefined ? 'no tensor' : (dtypeOf(input.elemType) ?? `type ${input.elemType}`);
  return input.dims ? `${type} ${showDims(input.dims)}` : type;
}

function checkType(input: ValueInfo, column: Column, label: string): void {
  if (input.elemType === undefined) throw new UnsupportedError(`the model's input ${show(input.name)} is no tensor`);
  if (input.elemType === 0) return;
  const want = dtypeOf(input.elemType);
  if (!want)
    throw new UnsupportedError(
      `the model's input ${show(input.name)} is of ${describe(input)}, which is not supported`,
    );
  if (column.dtype !== want)
    throw new DataError(
      `${label}: array ${show(input.name)} is ${column.dtype} ${showDims(column.dims)}, expected ${want} for the model's input; convert it with .astype('${numpyName(want)}')`,
    );
}

function checkShape(input: ValueInfo, column: Column, label: string, dataset: Dataset): void {
  if (!input.dims) return;
  const wrong = (why: string) =>
    new DataError(
      `${label}: array ${show(input.name)} is ${showDims(column.dims)}, expected ${describe(input)} for the model's input${why}`,
    );
  if (!dataset.single && input.dims.length === 0) throw wrong(': it has no sample axis: give one file a sample');
  if (input.dims.length !== column.dims.length)
    throw wrong(
      `: ${input.dims.length} dimensions, found ${column.dims.length}${dataset.single ? '' : ' (the first axis counts the samples)'}`,
    );
  for (let i = 0; i < input.dims.length; i++) {
    const want = input.dims[i];
    const found = column.dims[i]!;
    if (i === 0 && !dataset.single) {
      // The model takes `want` samples at once: there must be as many.
      if (typeof want === 'number' && found < want) throw wrong(`: ${want} samples at once, found ${found}`);
    } else if (typeof want === 'number' && found !== want) throw wrong(`: axis ${i} must be ${want}, found ${found}`);
  }
}

function checkFinite(name: string, column: Column, label: string): void {
  if (!column.all) return;
  const bad = findNonFinite(column.all);
  if (!bad) return;
  const each = column.all.data.length / column.dims[0]!;
  throw new DataError(
    `${label}: array ${show(name)} holds ${bad.value} in sample ${Math.floor(bad.index / each)} (element ${bad.index % each} of it)`,
  );
}
