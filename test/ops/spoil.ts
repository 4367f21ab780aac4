import { arrayOf, type DType, sizeOf, type Tensor, tensor } from '../../src/tensor.ts';
import { random } from '../helpers.ts';
import { type Attributes, float, int, ints, string } from './compare.ts';

/** Nodes with one thing or two about them made wrong. */

export interface Spoilable {
  readonly inputs: readonly (Tensor | undefined)[];
  readonly attributes?: Attributes;
}

const TYPES: readonly DType[] = ['float', 'int32', 'int64', 'uint8', 'int8', 'float16', 'double', 'bool', 'bfloat16'];
const NUMBERS = [-(2 ** 40), -(2 ** 31), -9, -2, -1, 0, 1, 2, 3, 5, 16, 31, 64, 2 ** 20, 2 ** 31 - 1, 2 ** 31, 2 ** 52];

/** Changes of a sample that the seed decides: inputs and attributes made wrong, or just other. */
export function spoiler(seed: number) {
  const next = random(seed);
  const pick = <T>(of: readonly T[]): T => of[Math.floor(next() * of.length)]!;
  const filled = (dtype: DType, dims: readonly number[]): Tensor => {
    const values = Array.from({ length: sizeOf(dims) }, () => pick([0, 0, 1, 1, 2, 3, 7, -1, 100, 2 ** 31 - 1]));
    const type = arrayOf(dtype);
    if (type === BigInt64Array) return tensor(dtype, dims, BigInt64Array.from(values, BigInt));
    if (type === BigUint64Array) return tensor(dtype, dims, BigUint64Array.from(values, BigInt));
    return tensor(
      dtype,
      dims,
      (type as Float32ArrayConstructor).from(values.map((v) => (dtype === 'bool' ? v & 1 : v))),
    );
  };
  const spoilt = (t: Tensor | undefined): Tensor | undefined => {
    if (t === undefined) return filled(pick(TYPES), pick([[], [1], [2], [2, 3], [2, 2, 3, 4]]));
    const dims = [...t.dims];
    switch (pick(['gone', 'type', 'value', 'size', 'size', 'rank', 'empty'])) {
      case 'gone':
        return undefined;
      case 'type':
        return filled(pick(TYPES), dims);
      case 'value':
        return filled(t.dtype, dims);
      case 'size':
        if (dims.length > 0) dims[Math.floor(next() * dims.length)] = pick([0, 1, 2, 3, 5, 7]);
        return filled(t.dtype, dims);
      case 'rank':
        return filled(t.dtype, next() < 0.5 ? dims.slice(1) : [...dims, 1]);
      default:
        return filled(
          t.dtype,
          dims.map(() => 0),
        );
    }
  };
  return ({ inputs, attributes = {} }: Spoilable) => {
    const changed = [...inputs];
    const named: Record<string, Attributes[string]> = { ...attributes };
    for (let i = 0; i < pick([1, 1, 2]); i++) {
      const names = Object.keys(named);
      const name = names.length > 0 && next() < 0.4 ? pick(names) : undefined;
      if (name === undefined) {
        const at = Math.floor(next() * changed.length);
        changed[at] = spoilt(changed[at]);
      } else if (named[name]!.type === 'int') named[name] = int(pick(NUMBERS));
      else if (named[name]!.type === 'ints')
        named[name] = ints(...Array.from({ length: pick([0, 1, 2, 3]) }, () => pick(NUMBERS)));
      else if (named[name]!.type === 'float') named[name] = float(pick([0, -1, Number.NaN, Number.POSITIVE_INFINITY]));
      else named[name] = string(pick(['', 'toString', 'Clip']));
    }
    return { inputs: changed, attributes: named };
  };
}
