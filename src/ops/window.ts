import { ModelError, UnsupportedError } from '../errors.ts';
import { choice, int, ints } from './attributes.ts';
import type { NodeSpec } from './op.ts';

/** Sliding windows of convolutions and pooling over one, two, three or more spatial axes. */

/** Bound on padded sizes, windows and strides. */
const MAX_EXTENT = 2 ** 24;

export interface WindowAttributes {
  readonly kernel: readonly number[] | undefined;
  readonly strides: readonly number[] | undefined;
  readonly dilations: readonly number[] | undefined;
  readonly pads: readonly number[] | undefined;
  readonly autoPad: 'NOTSET' | 'VALID' | 'SAME_UPPER' | 'SAME_LOWER';
  readonly ceil: boolean;
}

/** The geometry of one run: one entry an axis, two axes or more; a single one is run as two, the first of length 1. */
export interface Window {
  readonly input: readonly number[];
  readonly kernel: readonly number[];
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  /** All that lie before the input, then all that lie after it. */
  readonly pads: readonly number[];
  readonly output: readonly number[];
  /** Spatial sizes of the output as the operator's rank has them. */
  readonly outputDims: readonly number[];
}

function positive(values: readonly number[] | undefined, name: string): readonly number[] | undefined {
  if (values?.some((v) => v < 1)) throw new ModelError(`attribute "${name}": expected sizes >= 1, found [${values}]`);
  return values;
}

export function windowAttributes(node: NodeSpec): WindowAttributes {
  return {
    kernel: positive(ints(node, 'kernel_shape'), 'kernel_shape'),
    strides: positive(ints(node, 'strides'), 'strides'),
    dilations: positive(ints(node, 'dilations'), 'dilations'),
    pads: ints(node, 'pads'),
    autoPad: choice(node, 'auto_pad', ['NOTSET', 'VALID', 'SAME_UPPER', 'SAME_LOWER'] as const, 'NOTSET'),
    ceil: int(node, 'ceil_mode', 0) !== 0,
  };
}

/** Values one an axis, or `fallback` throughout. @throws ModelError for another count */
export function perAxis(
  v: readonly number[] | undefined,
  name: string,
  n: number,
  fallback: number,
): readonly number[] {
  if (v !== undefined && v.length !== n) throw new ModelError(`${name}: expected ${n} values, found [${v}]`);
  return v ?? new Array<number>(n).fill(fallback);
}

/** The number of spatial axes of [N, C, spatial...]. @throws ModelError where there is none */
export function spatialRank(dims: readonly number[]): number {
  if (dims.length < 3) throw new ModelError(`X: expected shape [N, C, spatial...], found [${dims}]`);
  return dims.length - 2;
}

/** @throws UnsupportedError for sizes whose products no loop should see */
export function boundExtents(axis: number, ...sizes: readonly number[]): void {
  if (sizes.some((s) => s > MAX_EXTENT))
    throw new UnsupportedError(`axis ${axis}: padded input, window and stride of at most ${MAX_EXTENT} are supported`);
}

/**
 * The window over an input [N, C, spatial...].
 * @throws ModelError when attributes and shapes contradict each other; UnsupportedError for pads below 0
 */
export function windowOf(a: WindowAttributes, dims: readonly number[], kernel: readonly number[]): Window {
  const rank = spatialRank(dims);
  perAxis(kernel, 'kernel_shape', rank, 1);
  const strides = perAxis(a.strides, 'strides', rank, 1);
  const dilations = perAxis(a.dilations, 'dilations', rank, 1);
  const given = perAxis(a.autoPad === 'NOTSET' ? a.pads : undefined, 'pads', 2 * rank, 0);
  const before: number[] = [];
  const after: number[] = [];
  const output: number[] = [];
  for (let i = 0; i < rank; i++) {
    const n = dims[i + 2]!;
    const s = strides[i]!;
    const reach = (kernel[i]! - 1) * dilations[i]! + 1;
    let head = given[i]!;
    let tail = given[i + rank]!;
    if (a.autoPad.startsWith('SAME')) {
      const total = Math.max(0, (Math.ceil(n / s) - 1) * s + reach - n);
      head = a.autoPad === 'SAME_UPPER' ? Math.floor(total / 2) : Math.ceil(total / 2);
      tail = total - head;
    }
    const room = n + head + tail - reach;
    if (head < 0 || tail < 0) throw new UnsupportedError(`pads: expected values >= 0, found [${given}]`);
    if (room < 0 && !a.ceil)
      throw new ModelError(`window of ${reach} on axis ${i + 2} is larger than the padded input ${n + head + tail}`);
    boundExtents(i + 2, n + head + tail, reach, s);
    let out = Math.max(0, (a.ceil ? Math.ceil(room / s) : Math.floor(room / s)) + 1);
    // A window must start inside the input or its leading padding.
    if (a.ceil && (out - 1) * s >= n + head) out--;
    before.push(head);
    after.push(tail);
    output.push(out);
  }
  return atLeastTwo({
    input: dims.slice(2),
    kernel,
    strides,
    dilations,
    pads: [...before, ...after],
    output,
    outputDims: output,
  });
}

/** The same window with a first axis of length 1 where there is one axis only. */
export function atLeastTwo(w: Window): Window {
  if (w.input.length !== 1) return w;
  return {
    input: [1, ...w.input],
    kernel: [1, ...w.kernel],
    strides: [1, ...w.strides],
    dilations: [1, ...w.dilations],
    pads: [0, w.pads[0]!, 0, w.pads[1]!],
    output: [1, ...w.output],
    outputDims: w.outputDims,
  };
}

/** Arguments of the kernels that slide a window over a plane: h, w, kh, kw, sh, sw, pt, pl, dh, dw, oh, ow; of the last two axes. */
export type PlaneArguments = readonly [
  number,
  number,
  number,
  number,
  number,
  number,
  number,
  number,
  number,
  number,
  number,
  number,
];

export function planeArguments(w: Window): PlaneArguments {
  const rank = w.input.length;
  const two = (v: readonly number[]) => [v[rank - 2]!, v[rank - 1]!] as const;
  return [...two(w.input), ...two(w.kernel), ...two(w.strides), ...two(w.pads), ...two(w.dilations), ...two(w.output)];
}
