import { type Floats, placeFloats } from '../wasm/matrix.ts';
import { type Unfolded, unfoldedSigmaMax } from '../wasm/sigma-max.ts';
import type { Wasm } from '../wasm/wasm.ts';
import { windowsPerElement } from './windows.ts';

/**
 * A convolution as a linear operator. The kernel is [M, C/g, k_1, ..., k_r], row-major, as ONNX stores it for Conv; a
 * ConvTranspose is the adjoint of the convolution with the same weight, and has the same norm.
 */
export interface ConvolutionShape {
  readonly dims: readonly number[];
  readonly groups: number;
  /** One a spatial axis; 1 where absent. */
  readonly strides?: readonly number[] | undefined;
  readonly dilations?: readonly number[] | undefined;
}

export interface ConvolutionBound {
  /** Proved: |A x| <= value |x| for zero padding of any size and inputs of any size. */
  readonly value: number;
  /** Which of the bounds it is. */
  readonly by: string;
}

/** Room for the rounding of the singular value a bound is made from. */
const ROUNDING = 1 + 1e-10;

/**
 * The least of the proved upper bounds on the l2 norm of a convolution (docs/theory.md, "Convolutions"): for every way to put
 * some spatial axes of the kernel with the output channels and the others with the input channels, sigma_max of that matrix
 * times the square root of (kernel sizes of the first) times (windows an element lies in, of the others); and Schur's test,
 * the square root of the largest row sum times the largest column sum of absolute values.
 * @param kernel groups one after another along M
 * @throws RangeError for NaN or infinity in it
 */
export function convolutionUpperBound(wasm: Wasm, kernel: Floats, shape: ConvolutionShape): ConvolutionBound {
  const { outputs, inputs, spatial } = groupSize(shape);
  const ways = unfoldings(outputs, inputs, spatial, shape);
  const classes = residues(spatial, shape);
  return wasm.arena.scope((alloc) => {
    const first = placeFloats(wasm, alloc, kernel);
    let worst: ConvolutionBound = { value: 0, by: 'zero' };
    for (let g = 0; g < shape.groups; g++) {
      const address = first + g * (kernel.byteLength / shape.groups);
      let best = schur(wasm, address, outputs, inputs, classes);
      for (const { factor, by, ...way } of ways) {
        const value = factor * unfoldedSigmaMax(wasm, { address, m: outputs, c: inputs, ...way }, best.value / factor);
        if (value < best.value) best = { value, by };
      }
      if (best.value > worst.value) worst = best;
    }
    return worst;
  });
}

interface GroupSize {
  readonly outputs: number;
  readonly inputs: number;
  readonly spatial: readonly number[];
}

interface GroupKernel extends GroupSize {
  readonly data: Float32Array;
}

function groupSize({ dims, groups }: ConvolutionShape): GroupSize {
  return { outputs: dims[0]! / groups, inputs: dims[1]!, spatial: dims.slice(2) };
}

function groupKernels(kernel: Float32Array, shape: ConvolutionShape): GroupKernel[] {
  const { groups } = shape;
  const size = kernel.length / groups;
  return Array.from({ length: groups }, (_, g) => ({
    ...groupSize(shape),
    data: kernel.subarray(g * size, (g + 1) * size),
  }));
}

/** A way to put some axes with the output channels, and what sigma_max of that matrix is multiplied by. */
interface Unfolding extends Omit<Unfolded, 'address' | 'm' | 'c'> {
  readonly factor: number;
  readonly by: string;
}

/** All of them; those first whose bound would be least if the elements were independent: the others then end soon. */
function unfoldings(
  outputs: number,
  inputs: number,
  spatial: readonly number[],
  shape: ConvolutionShape,
): readonly Unfolding[] {
  const all = 1 << spatial.length;
  // A kernel of one element unfolds into the same matrix every way.
  const ways = spatial.every((k) => k === 1) ? 1 : all;
  const found = Array.from({ length: ways }, (_, mask) => ({
    ...tapPlaces(spatial, mask),
    factor: Math.sqrt(squaredFactor(spatial, shape, mask)) * ROUNDING,
    by: mask === 0 ? 'reshaped kernel' : `unfolding ${mask} of ${all - 1}`,
  }));
  const expected = new Map(
    found.map((way) => [way, way.factor * (Math.sqrt(outputs * way.rowTaps) + Math.sqrt(inputs * way.colTaps))]),
  );
  return found.sort((x, y) => expected.get(x)! - expected.get(y)!);
}

/** Kernel sizes of the axes in mask times windows an element lies in along the others. */
function squaredFactor(spatial: readonly number[], shape: ConvolutionShape, mask: number): number {
  return spatial.reduce((product, kernel, a) => {
    const windows = windowsPerElement(kernel, shape.strides?.[a] ?? 1, shape.dilations?.[a] ?? 1);
    return product * ((mask >> a) & 1 ? kernel : windows);
  }, 1);
}

/** Where each tap lies in a kernel unfolded as [M * axes in mask, C * other axes]. */
function tapPlaces(spatial: readonly number[], mask: number): Pick<Unfolded, 'row' | 'col' | 'rowTaps' | 'colTaps'> {
  const taps = spatial.reduce((n, k) => n * k, 1);
  const [row, col] = [new Int32Array(taps), new Int32Array(taps)];
  let [rowTaps, colTaps] = [1, 1];
  for (let t = 0; t < taps; t++) {
    let rest = t;
    [rowTaps, colTaps] = [1, 1];
    for (let a = spatial.length - 1; a >= 0; a--) {
      const k = spatial[a]!;
      const at = rest % k;
      rest = Math.floor(rest / k);
      if ((mask >> a) & 1) {
        row[t]! += at * rowTaps;
        rowTaps *= k;
      } else {
        col[t]! += at * colTaps;
        colTaps *= k;
      }
    }
  }
  return { row, col, rowTaps, colTaps };
}

/**
 * |A|^2 <= largest row sum times largest column sum of |A|; a column sees only the taps its position can meet.
 * @throws RangeError where an element is not finite
 */
function schur(wasm: Wasm, address: number, outputs: number, inputs: number, classes: Int32Array): ConvolutionBound {
  const taps = classes.length;
  const cols = inputs * taps;
  return wasm.arena.scope((alloc) => {
    const [byRow, byColumn] = [alloc(8 * outputs), alloc(8 * cols)];
    wasm.k.abs_sums(address, outputs, cols, byRow, byColumn);
    const rows = wasm.arena.f64(byRow, outputs);
    const bad = rows.findIndex((sum) => !Number.isFinite(sum));
    if (bad >= 0) throw new RangeError(`kernel: expected finite elements, found others in output channel ${bad}`);
    const sums = wasm.arena.f64(byColumn, cols);
    const met = new Float64Array(taps);
    let column = 0;
    for (let c = 0; c < inputs; c++) {
      met.fill(0);
      for (let t = 0; t < taps; t++) met[classes[t]!]! += sums[c * taps + t]!;
      for (let t = 0; t < taps; t++) if (met[t]! > column) column = met[t]!;
    }
    const row = rows.reduce((a, b) => Math.max(a, b), 0);
    return { value: Math.sqrt(row * column) * ROUNDING, by: "Schur's test" };
  });
}

/** For each tap the first tap that meets the same input positions: tap * dilation equal modulo the stride on every axis. */
function residues(spatial: readonly number[], shape: ConvolutionShape): Int32Array {
  const taps = spatial.reduce((n, k) => n * k, 1);
  const first = new Map<string, number>();
  return Int32Array.from({ length: taps }, (_, t) => {
    let rest = t;
    const key: number[] = [];
    for (let a = spatial.length - 1; a >= 0; a--) {
      key.push(((rest % spatial[a]!) * (shape.dilations?.[a] ?? 1)) % (shape.strides?.[a] ?? 1));
      rest = Math.floor(rest / spatial[a]!);
    }
    const name = key.join();
    if (!first.has(name)) first.set(name, t);
    return first.get(name)!;
  });
}

export interface PowerOptions {
  /** Input size a spatial axis; 12 where absent. A larger input has a norm at least as large. */
  readonly size?: readonly number[] | undefined;
  /** Most steps of power iteration. */
  readonly iterations?: number | undefined;
}

/** Multiply-adds a lower bound may cost. */
const MAX_WORK = 6e8;

/**
 * A measured lower estimate of the norm of a convolution: power iteration on A'A of the convolution itself, with zero padding
 * of half the kernel, on inputs of one size. |A x| / |x| of any x is at most the norm, so the figure never exceeds it by more
 * than rounding; how near it comes depends on size and steps.
 */
export function convolutionLowerEstimate(
  kernel: Float32Array,
  shape: ConvolutionShape,
  options: PowerOptions = {},
): number {
  let most = 0;
  for (const part of groupKernels(kernel, shape)) most = Math.max(most, powerIteration(part, shape, options));
  return most;
}

function powerIteration(part: GroupKernel, shape: ConvolutionShape, options: PowerOptions): number {
  const taps = tapList(part, shape, options);
  const { inputs, outputs, data } = part;
  const work = taps.pairs * inputs * outputs * 2;
  const steps = Math.max(
    2,
    Math.min(options.iterations ?? 60, Math.floor(MAX_WORK / Math.max(1, work * shape.groups))),
  );
  let x = new Float64Array(inputs * taps.inSize);
  let state = 0x2545f491;
  for (let i = 0; i < x.length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    x[i] = state / 2 ** 31 - 1;
  }
  let estimate = 0;
  for (let step = 0; step < steps; step++) {
    const length = norm(x);
    if (length === 0) return 0;
    for (let i = 0; i < x.length; i++) x[i]! /= length;
    const y = new Float64Array(outputs * taps.outSize);
    forEachTap(taps, part, (w, from, to) => {
      for (let p = 0; p < taps.count[w.tap]!; p++) y[to + w.out[p]!]! += data[w.at]! * x[from + w.in[p]!]!;
    });
    const now = norm(y);
    if (step > 4 && now <= estimate * (1 + 1e-9)) return Math.max(now, estimate);
    estimate = Math.max(estimate, now);
    const back = new Float64Array(x.length);
    forEachTap(taps, part, (w, from, to) => {
      for (let p = 0; p < taps.count[w.tap]!; p++) back[from + w.in[p]!]! += data[w.at]! * y[to + w.out[p]!]!;
    });
    x = back;
  }
  return estimate;
}

/** For each tap the flat input and output positions it joins. */
interface Taps {
  readonly inSize: number;
  readonly outSize: number;
  readonly in: readonly Int32Array[];
  readonly out: readonly Int32Array[];
  readonly count: readonly number[];
  readonly pairs: number;
}

function tapList(part: GroupKernel, shape: ConvolutionShape, options: PowerOptions): Taps {
  const axes = part.spatial.map((kernel, a) => {
    const stride = shape.strides?.[a] ?? 1;
    const dilation = shape.dilations?.[a] ?? 1;
    const size = Math.max(1, options.size?.[a] ?? 12);
    const pad = Math.floor((dilation * (kernel - 1)) / 2);
    const outputs = Math.max(1, Math.floor((size + 2 * pad - dilation * (kernel - 1) - 1) / stride) + 1);
    return { kernel, stride, dilation, size, pad, outputs };
  });
  const inSize = axes.reduce((n, a) => n * a.size, 1);
  const outSize = axes.reduce((n, a) => n * a.outputs, 1);
  const taps = part.spatial.reduce((n, k) => n * k, 1);
  const ins: Int32Array[] = [];
  const outs: Int32Array[] = [];
  for (let t = 0; t < taps; t++) {
    // Positions along each axis, then their products.
    let pairs: [number, number][] = [[0, 0]];
    let rest = t;
    const at = axes.map(() => 0);
    for (let a = axes.length - 1; a >= 0; a--) {
      at[a] = rest % axes[a]!.kernel;
      rest = Math.floor(rest / axes[a]!.kernel);
    }
    axes.forEach((axis, a) => {
      const next: [number, number][] = [];
      for (const [i, o] of pairs) {
        for (let y = 0; y < axis.outputs; y++) {
          const x = y * axis.stride + at[a]! * axis.dilation - axis.pad;
          if (x >= 0 && x < axis.size) next.push([i * axis.size + x, o * axis.outputs + y]);
        }
      }
      pairs = next;
    });
    ins.push(Int32Array.from(pairs, (p) => p[0]));
    outs.push(Int32Array.from(pairs, (p) => p[1]));
  }
  const count = ins.map((p) => p.length);
  return { inSize, outSize, in: ins, out: outs, count, pairs: count.reduce((a, b) => a + b, 0) };
}

interface Weight {
  readonly tap: number;
  readonly at: number;
  readonly in: Int32Array;
  readonly out: Int32Array;
}

function forEachTap(taps: Taps, part: GroupKernel, body: (weight: Weight, from: number, to: number) => void): void {
  const { inputs, outputs } = part;
  const n = taps.in.length;
  for (let m = 0; m < outputs; m++) {
    for (let c = 0; c < inputs; c++) {
      for (let t = 0; t < n; t++) {
        const weight = { tap: t, at: (m * inputs + c) * n + t, in: taps.in[t]!, out: taps.out[t]! };
        body(weight, c * taps.inSize, m * taps.outSize);
      }
    }
  }
}

function norm(x: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < x.length; i++) sum += x[i]! * x[i]!;
  return Math.sqrt(sum);
}
