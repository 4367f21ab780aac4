import * as math from '../math.ts';
import { ModelError, UnsupportedError } from '../errors.ts';
import type { DType, Tensor } from '../tensor.ts';
import { cast, typeAttribute } from './cast.ts';
import { float, has, int, ints, since } from './attributes.ts';
import { Generator, seedOf } from './generator.ts';
import type { NodeSpec, Op, Runtime } from './op.ts';
import { anyElements, elements, isFloating, need } from './shape.ts';

/**
 * Random tensors. A node draws the same numbers every time it runs: those of its `seed`, or without one those of a seed made
 * from its name, so that two nodes differ.
 */

/** The attribute `dtype`, or undefined where it is absent. @throws ModelError unless it is a floating type */
function floatingType(node: NodeSpec): DType | undefined {
  if (!has(node, 'dtype')) return undefined;
  return floatingOnly(typeAttribute(int(node, 'dtype'), 'dtype'), 'attribute "dtype"');
}

function floatingOnly(dtype: DType, what: string): DType {
  if (!isFloating(dtype)) throw new ModelError(`${what}: expected a floating type, found ${dtype}`);
  return dtype;
}

/** `draw` into every element of a new tensor, in double, then converted. */
function filled(dtype: DType, dims: readonly number[], draw: () => number, rt: Runtime): Tensor {
  const y = rt.empty(dtype === 'double' ? 'double' : 'float', dims);
  const out = y.data;
  for (let i = 0; i < out.length; i++) out[i] = draw();
  return cast(y, dtype, rt);
}

type Draw = (g: Generator) => number;

/** mean + scale z. */
function normal(node: NodeSpec): Draw {
  const mean = float(node, 'mean', 0);
  const scale = float(node, 'scale', 1);
  return (g) => g.normal() * scale + mean;
}

/** low + (high - low) u. */
function uniform(node: NodeSpec): Draw {
  const low = float(node, 'low', 0);
  const high = float(node, 'high', 1);
  return (g) => g.uniform() * (high - low) + low;
}

function shaped(distribution: (node: NodeSpec) => Draw): Op {
  return since(1, (node) => {
    const draw = distribution(node);
    const seed = seedOf(node);
    const dtype = floatingType(node) ?? 'float';
    const dims = ints(node, 'shape');
    if (dims === undefined) throw new ModelError('attribute "shape" is missing');
    return (_, rt) => {
      const g = new Generator(seed);
      return [filled(dtype, dims, () => draw(g), rt)];
    };
  });
}

function like(distribution: (node: NodeSpec) => Draw): Op {
  return since(1, (node) => {
    const draw = distribution(node);
    const seed = seedOf(node);
    const dtype = floatingType(node);
    return (inputs, rt) => {
      const x = need(inputs, 0, 'input');
      const g = new Generator(seed);
      return [filled(dtype ?? floatingOnly(x.dtype, 'input'), x.dims, () => draw(g), rt)];
    };
  });
}

export const RandomNormal = shaped(normal);
export const RandomNormalLike = like(normal);
export const RandomUniform = shaped(uniform);
export const RandomUniformLike = like(uniform);

/** 1 with the probability the input gives, else 0; one uniform number an element. */
export const Bernoulli: Op = since(15, (node) => {
  const seed = seedOf(node);
  const to = has(node, 'dtype') ? typeAttribute(int(node, 'dtype'), 'dtype') : undefined;
  return (inputs, rt) => {
    const x = need(inputs, 0, 'input');
    floatingOnly(x.dtype, 'input');
    const p = elements(cast(x, x.dtype === 'double' ? 'double' : 'float', rt));
    const g = new Generator(seed);
    let i = 0;
    // The inverted distribution of the likelier outcome, as NumPy's binomial has it.
    const draw = () => {
      const q = p[i++]!;
      if (!(q >= 0 && q <= 1)) throw new ModelError(`input: element ${i - 1} is ${q}, expected a probability`);
      const u = g.uniform();
      return (q <= 0.5 ? u > 1 - q : u <= q) ? 1 : 0;
    };
    const y = filled('float', x.dims, draw, rt);
    return [cast(y, to ?? x.dtype, rt)];
  };
});

/** Classes drawn from unnormalized log-probabilities [batch, classes], `sample_size` a row, with replacement. */
export const Multinomial: Op = since(7, (node) => {
  const seed = seedOf(node);
  const size = int(node, 'sample_size', 1);
  if (size < 0) throw new ModelError(`attribute "sample_size": expected 0 or more, found ${size}`);
  const to = has(node, 'dtype') ? typeAttribute(int(node, 'dtype'), 'dtype') : 'int32';
  if (to !== 'int32' && to !== 'int64')
    throw new UnsupportedError(`attribute "dtype": expected int32 or int64, found ${to}`);
  return (inputs, rt) => {
    const given = need(inputs, 0, 'input');
    floatingOnly(given.dtype, 'input');
    const [batch, classes] = given.dims;
    if (given.dims.length !== 2 || classes === 0)
      throw new ModelError(`input: expected shape [batch, classes], found [${given.dims}]`);
    const x = elements(cast(given, given.dtype === 'double' ? 'double' : 'float', rt));
    const y = rt.empty(to, [batch!, size]);
    const out = anyElements(y);
    const g = new Generator(seed);
    const totals = new Float64Array(classes!);
    for (let r = 0; r < batch!; r++) {
      const row = x.subarray(r * classes!, (r + 1) * classes!);
      const top = row.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
      let sum = 0;
      for (let c = 0; c < classes!; c++) totals[c] = sum += math.exp(row[c]! - top);
      if (!(sum > 0)) throw new ModelError(`input: row ${r} has no probabilities`);
      for (let s = 0; s < size; s++) {
        const u = g.uniform() * sum;
        const c = firstAbove(totals, u);
        out[r * size + s] = to === 'int64' ? BigInt(c) : c;
      }
    }
    return [y];
  };
});

/** Index of the first element above u in an ascending array, the last one at most. */
function firstAbove(totals: Float64Array, u: number): number {
  let low = 0;
  let high = totals.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (totals[middle]! > u) high = middle;
    else low = middle + 1;
  }
  return low;
}
