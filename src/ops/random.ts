import * as math from '../math.ts';
import { ModelError, UnsupportedError } from '../errors.ts';
import type { DType, Tensor } from '../tensor.ts';
import { cast, typeAttribute } from './cast.ts';
import { float, has, int, ints, since } from './attributes.ts';
import { halves } from './half.ts';
import { Generator } from './generator.ts';
import type { NodeSpec, Op, Runtime } from './op.ts';
import { anyElements, elements, isFloating, need, scalar } from './shape.ts';

/**
 * Random tensors. A node draws the same numbers every time it runs: those of its `seed`, or without one those of a seed made
 * from its name, so that two nodes differ.
 */

/** FNV-1a of the name. */
function seedFrom(name: string): number {
  let h = 0x811c9dc5;
  for (let i = 0; i < name.length; i++) h = Math.imul(h ^ name.charCodeAt(i), 0x01000193);
  return h >>> 0;
}

function seedOf(node: NodeSpec, type: 'float' | 'int' = 'float'): number {
  if (!has(node, 'seed')) return seedFrom(node.name);
  const seed = Math.trunc(type === 'int' ? int(node, 'seed') : float(node, 'seed'));
  if (!Number.isFinite(seed)) throw new ModelError(`attribute "seed": expected a number, found ${seed}`);
  return ((seed % 2 ** 32) + 2 ** 32) % 2 ** 32;
}

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

/** The tensor itself, and a mask of ones on request. */
function passed(x: Tensor, node: NodeSpec, rt: Runtime): Tensor[] {
  if (node.outputs < 2) return [rt.view(x, x.dims)];
  const mask = rt.empty(node.opset < 10 ? x.dtype : 'bool', x.dims);
  const one = cast({ dtype: 'float', dims: [], data: Float32Array.of(1) }, mask.dtype, rt);
  elements(mask).fill(elements(one)[0]!);
  return [rt.view(x, x.dims), mask];
}

/**
 * Inference: the input itself, and a mask of ones on request. Training (since opset 12, where `training_mode` is true): every
 * element is 0 with probability `ratio`, all others are divided by 1 - ratio.
 */
export const Dropout: Op = since(7, (node) => {
  const seed = seedOf(node, 'int');
  return (inputs, rt) => {
    const x = need(inputs, 0, 'data');
    if (!isFloating(x.dtype)) throw new ModelError(`data: expected a floating type, found ${x.dtype}`);
    if (!inputs[2]?.data[0]) return passed(x, node, rt);
    const given = inputs[1];
    const ratio = given === undefined ? 0.5 : scalar(cast(given, 'double', rt), 'ratio');
    if (!(ratio >= 0 && ratio < 1)) throw new ModelError(`ratio: expected 0 <= ratio < 1, found ${ratio}`);
    if (ratio === 0) return passed(x, node, rt);
    const g = new Generator(seed);
    const mask = rt.empty('bool', x.dims);
    for (let i = 0; i < mask.data.length; i++) mask.data[i] = g.uniform() >= ratio ? 1 : 0;
    const scale = 1 / (1 - ratio);
    const drop = halves(([wide], rt2) => {
      const a = elements(wide!);
      const y = rt2.empty(wide!.dtype, x.dims);
      const out = elements(y);
      for (let i = 0; i < out.length; i++) out[i] = mask.data[i] ? a[i]! * scale : 0;
      return [y];
    });
    const y = drop([x], rt);
    return node.outputs > 1 ? [...y, mask] : y;
  };
});
