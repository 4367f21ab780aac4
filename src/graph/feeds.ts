import { DataError } from '../errors.ts';
import { typeName } from '../onnx/index.ts';
import type { Initializer, ValueInfo } from '../onnx/model.ts';
import { DATA_TYPES, sizeOf, type Tensor } from '../tensor.ts';

/**
 * Feeds against the inputs a model declares.
 * @throws DataError for a missing or unknown input, a wrong type, rank or fixed dimension, and data that does not fill its shape
 */
export function checkFeeds(
  inputs: readonly ValueInfo[],
  feeds: Readonly<Record<string, Tensor>>,
  known: ReadonlySet<string>,
): void {
  const names = inputs.map((i) => `"${i.name}"`).join(', ') || 'none';
  for (const name of Object.keys(feeds))
    if (!known.has(name)) throw new DataError(`input "${name}" is not one of the model's: ${names}`);
  for (const input of inputs) {
    if (!Object.hasOwn(feeds, input.name))
      throw new DataError(`input "${input.name}" is missing; the model's inputs: ${names}`);
    checkFeed(input, feeds[input.name]!);
  }
}

function checkFeed(input: ValueInfo, t: Tensor): void {
  const what = `input "${input.name}"`;
  const n = sizeOf(t.dims);
  if (!t.dims.every((d) => Number.isSafeInteger(d) && d >= 0))
    throw new DataError(`${what}: expected sizes >= 0, found [${t.dims}]`);
  if (t.data.length !== n)
    throw new DataError(`${what}: shape [${t.dims}] needs ${n} elements, found ${t.data.length}`);
  if (input.elemType !== undefined && DATA_TYPES[t.dtype] !== input.elemType)
    throw new DataError(`${what}: expected type ${typeName(input.elemType)}, found ${t.dtype}`);
  const want = input.dims;
  if (want === undefined) return;
  const shown = `[${want.map((d) => d ?? '?')}]`;
  if (want.length !== t.dims.length) throw new DataError(`${what}: expected shape ${shown}, found [${t.dims}]`);
  want.forEach((d, i) => {
    if (typeof d === 'number' && d !== t.dims[i])
      throw new DataError(`${what}: expected shape ${shown}, found [${t.dims}] (axis ${i})`);
  });
}

/**
 * Replacements of initializers.
 * @throws RangeError for a name that is none, TypeError for another type, RangeError for another shape
 */
export function checkWeights(
  initializers: ReadonlyMap<string, Initializer>,
  weights: ReadonlyMap<string, Tensor>,
): void {
  for (const [name, t] of weights) {
    const own = initializers.get(name);
    if (own === undefined) throw new RangeError(`weights: expected the name of an initializer, found "${name}"`);
    if (DATA_TYPES[t.dtype] !== own.dataType)
      throw new TypeError(`weights: expected type ${typeName(own.dataType)} for "${name}", found ${t.dtype}`);
    if (String(t.dims) !== String(own.dims) || t.data.length !== sizeOf(own.dims))
      throw new RangeError(
        `weights: expected shape [${own.dims}] for "${name}", found [${t.dims}] of ${t.data.length} elements`,
      );
  }
}
