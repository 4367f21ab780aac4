import { ModelError, UnsupportedError } from '../errors.ts';
import { choice, int, ints } from './attributes.ts';
import type { NodeSpec } from './op.ts';

/** Sliding windows of convolutions and pooling over one or two spatial axes; one axis is run as two, the first of length 1. */

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

/** The geometry of one run. Pairs are [vertical, horizontal]; `pads` the four sides top, left, bottom, right. */
export interface Window {
  readonly input: readonly [number, number];
  readonly kernel: readonly [number, number];
  readonly strides: readonly [number, number];
  readonly dilations: readonly [number, number];
  readonly pads: readonly [number, number, number, number];
  readonly output: readonly [number, number];
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

/**
 * The window over an input [N, C, spatial...].
 * @throws ModelError when attributes and shapes contradict each other; UnsupportedError for more than two spatial axes
 */
export function windowOf(a: WindowAttributes, dims: readonly number[], kernel: readonly number[]): Window {
  const rank = dims.length - 2;
  if (rank < 1) throw new ModelError(`X: expected shape [N, C, spatial...], found [${dims}]`);
  if (rank > 2) throw new UnsupportedError(`X: shape [${dims}] has ${rank} spatial axes; 1 or 2 are supported`);
  const per = (v: readonly number[] | undefined, name: string, n: number, fallback: number) => {
    if (v !== undefined && v.length !== n) throw new ModelError(`${name}: expected ${n} values, found [${v}]`);
    return v ?? new Array<number>(n).fill(fallback);
  };
  per(kernel, 'kernel_shape', rank, 1);
  const strides = per(a.strides, 'strides', rank, 1);
  const dilations = per(a.dilations, 'dilations', rank, 1);
  const given = per(a.autoPad === 'NOTSET' ? a.pads : undefined, 'pads', 2 * rank, 0);
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
    if (n + head + tail > MAX_EXTENT || reach > MAX_EXTENT || s > MAX_EXTENT)
      throw new UnsupportedError(
        `axis ${i + 2}: padded input, window and stride of at most ${MAX_EXTENT} are supported`,
      );
    let out = Math.max(0, (a.ceil ? Math.ceil(room / s) : Math.floor(room / s)) + 1);
    // A window must start inside the input or its leading padding.
    if (a.ceil && (out - 1) * s >= n + head) out--;
    before.push(head);
    after.push(tail);
    output.push(out);
  }
  const two = (v: readonly number[], fill: number) => (rank === 1 ? [fill, v[0]!] : [v[0]!, v[1]!]) as [number, number];
  return {
    input: two(dims.slice(2), 1),
    kernel: two(kernel, 1),
    strides: two(strides, 1),
    dilations: two(dilations, 1),
    pads: [...two(before, 0), ...two(after, 0)],
    output: two(output, 1),
    outputDims: output,
  };
}
