import { ModelError } from '../errors.ts';
import type { Tensor } from '../tensor.ts';
import { choice, flag, float, floats, ints, since } from './attributes.ts';
import { isHalf, narrow, widen } from './half.ts';
import { numbersOf, storing } from './numbers.ts';
import type { NodeSpec, Op, Run, Runtime } from './op.ts';
import { resample } from './resample.ts';
import { type AxisSpec, axisTable, COORDINATES, type Interpolation } from './resize-axis.ts';
import { axesOf, elements, integers, need, product } from './shape.ts';

/** Resize in all its versions, and Upsample before it. Interpolation is separable, on any axes. */

/** Bound on the elements of a result. */
const MOST_ELEMENTS = 2 ** 31 - 1;

/** The tensor resized along the axes that `specs` name. */
function resized(
  given: Tensor,
  specs: readonly AxisSpec[],
  how: Interpolation,
  extrapolation: number,
  rt: Runtime,
): Tensor {
  const dims = [...given.dims];
  for (const s of specs) dims[s.axis] = s.size;
  // No table is made for a shape that could not be.
  if (!(product(dims) <= MOST_ELEMENTS))
    throw new ModelError(`[${given.dims}] cannot become [${dims}]: too many elements`);
  if (product(dims) === 0) return rt.empty(given.dtype, dims);
  for (const s of specs)
    if (s.n === 0) throw new ModelError(`axis ${s.axis} of [${given.dims}] is empty: it cannot become ${s.size}`);
  const crops = how.coordinates === 'tf_crop_and_resize';
  const dtype = given.dtype;
  const widened = isHalf(dtype) && (how.mode !== 'nearest' || crops);
  const x = widened ? widen(given, rt) : given;
  const moving = specs.filter((s) => s.n !== s.size || s.scale !== 1 || crops);
  const tables = moving.map((s) => axisTable(s, how));
  let y = resample(x, tables, rt);
  if (crops && tables.some((t) => t.outside.includes(1))) {
    const whole = rt.empty(y.dtype, y.dims);
    elements(whole).set(elements(y));
    for (const t of tables) extrapolate(whole, t.axis, t.outside, extrapolation);
    y = whole;
  }
  return widened && isHalf(dtype) ? narrow(y, rt, dtype) : y;
}

/** Writes `value` wherever the position along the axis lies outside. */
function extrapolate(y: Tensor, axis: number, outside: Uint8Array, value: number): void {
  const inner = product(y.dims, axis + 1);
  const outer = product(y.dims, 0, axis);
  const out = elements(y);
  const fill = storing(y.dtype)(value) as number;
  for (let o = 0, at = 0; o < outer; o++)
    for (const gone of outside) {
      if (gone) out.fill(fill, at, at + inner);
      at += inner;
    }
}

/** Output length under a scale, in f32 as the scale is. */
function scaled(n: number, scale: number, least: number): number {
  if (!(scale > 0 && scale >= least && Number.isFinite(scale)))
    throw new ModelError(`scales: expected numbers ${least > 0 ? `>= ${least}` : '> 0'}, found ${scale}`);
  return Math.floor(Math.fround(n * scale));
}

const NO_ROI = [0, 1] as const;

/** Every axis scaled: Upsample, and Resize 10. */
function byScales(x: Tensor, scales: ArrayLike<number>, least: number): AxisSpec[] {
  if (scales.length !== x.dims.length)
    throw new ModelError(
      `scales: expected ${x.dims.length} numbers, one an axis of [${x.dims}], found ${scales.length}`,
    );
  return x.dims.map((n, axis) => {
    const scale = Math.fround(scales[axis]!);
    return { axis, n, size: scaled(n, scale, least), scale, roi: NO_ROI };
  });
}

function simple(mode: 'nearest' | 'linear'): Interpolation {
  return {
    mode,
    coordinates: 'asymmetric',
    nearest: 'simple',
    cubicA: 0,
    excludeOutside: false,
    antialias: false,
  };
}

/** nearest or linear; `bilinear` is how version 1 spelled it. */
function simpleMode(node: NodeSpec): Interpolation {
  return simple(
    choice(node, 'mode', ['nearest', 'linear', 'bilinear'] as const, 'nearest') === 'nearest' ? 'nearest' : 'linear',
  );
}

/** Scales as an input: Upsample 9 and Resize 10. */
function withScales(least: number): (node: NodeSpec) => Run {
  return (node) => {
    const how = simpleMode(node);
    return (inputs, rt) => {
      const x = need(inputs, 0, 'X');
      return [resized(x, byScales(x, numbersOf(need(inputs, 1, 'scales'), rt), least), how, 0, rt)];
    };
  };
}

/** Scales as an attribute before opset 9, as an input since; deprecated since 10. */
export const Upsample: Op = [
  ...since(7, (node) => {
    const how = simpleMode(node);
    const scales = floats(node, 'scales');
    if (scales === undefined) throw new ModelError('attribute "scales" is missing');
    return (inputs, rt) => {
      const x = need(inputs, 0, 'X');
      return [resized(x, byScales(x, scales, 1), how, 0, rt)];
    };
  }),
  { since: 9, build: withScales(1) },
];

type Policy = 'stretch' | 'not_larger' | 'not_smaller';

/** Sizes as told, or the nearest ones with one scale for all axes. */
function bySizes(
  n: readonly number[],
  sizes: readonly number[],
  policy: Policy,
): { size: readonly number[]; scale: readonly number[] } {
  if (sizes.some((s) => s < 0)) throw new ModelError(`sizes: expected sizes >= 0, found [${sizes}]`);
  const scale = sizes.map((s, i) => Math.fround(s / n[i]!));
  if (policy === 'stretch') return { size: sizes, scale };
  const one = policy === 'not_larger' ? Math.min(...scale) : Math.max(...scale);
  return { size: n.map((d) => Math.floor(Math.fround(one * d) + 0.5)), scale: n.map(() => one) };
}

/** What a Resize of opset 11 and later makes of its inputs: one entry an axis it names. */
function specsOf(
  inputs: readonly (Tensor | undefined)[],
  named: readonly number[] | undefined,
  policy: Policy,
  crops: boolean,
  rt: Runtime,
): AxisSpec[] {
  const { dims } = need(inputs, 0, 'X');
  const rank = dims.length;
  if (named !== undefined) axesOf(named, rank);
  const axes = named?.map((a) => (a < 0 ? a + rank : a)) ?? dims.map((_, i) => i);
  const filled = (i: number) => (inputs[i] !== undefined && inputs[i].data.length > 0 ? inputs[i] : undefined);
  const scales = filled(2);
  const sizes = filled(3);
  if ((scales === undefined) === (sizes === undefined))
    throw new ModelError(`expected either scales or sizes, found ${scales === undefined ? 'neither' : 'both'}`);
  const given = scales ?? sizes!;
  const what = scales === undefined ? 'sizes' : 'scales';
  if (given.data.length !== axes.length)
    throw new ModelError(`${what}: expected ${axes.length} numbers for axes [${axes}], found ${given.data.length}`);
  let roi: ArrayLike<number> = [];
  if (crops) {
    roi = numbersOf(need(inputs, 1, 'roi'), rt);
    if (roi.length !== 2 * axes.length)
      throw new ModelError(`roi: expected ${2 * axes.length} numbers for axes [${axes}], found ${roi.length}`);
  }
  const n = axes.map((a) => dims[a]!);
  let size: readonly number[];
  let scale: readonly number[];
  if (scales !== undefined) {
    scale = Array.from(numbersOf(scales, rt), Math.fround);
    size = n.map((d, i) => scaled(d, scale[i]!, 0));
  } else ({ size, scale } = bySizes(n, integers(given, 'sizes'), policy));
  return axes.map((axis, i) => ({
    axis,
    n: n[i]!,
    size: size[i]!,
    scale: scale[i]!,
    roi: crops ? [roi[i]!, roi[i + axes.length]!] : NO_ROI,
  }));
}

/** Nearest, linear or cubic, by scales or to sizes. */
export const Resize: Op = [
  { since: 10, build: withScales(0) },
  {
    since: 11,
    build: (node: NodeSpec): Run => {
      const how: Interpolation = {
        mode: choice(node, 'mode', ['nearest', 'linear', 'cubic'] as const, 'nearest'),
        coordinates: choice(node, 'coordinate_transformation_mode', COORDINATES, 'half_pixel'),
        nearest: choice(
          node,
          'nearest_mode',
          ['round_prefer_floor', 'round_prefer_ceil', 'floor', 'ceil'] as const,
          'round_prefer_floor',
        ),
        cubicA: float(node, 'cubic_coeff_a', -0.75),
        excludeOutside: flag(node, 'exclude_outside'),
        antialias: flag(node, 'antialias'),
      };
      const extrapolation = float(node, 'extrapolation_value', 0);
      const axes = ints(node, 'axes');
      const policies = ['stretch', 'not_larger', 'not_smaller'] as const;
      const policy = choice(node, 'keep_aspect_ratio_policy', policies, 'stretch');
      const crops = how.coordinates === 'tf_crop_and_resize';
      return (inputs, rt) => {
        const specs = specsOf(inputs, axes, policy, crops, rt);
        return [resized(need(inputs, 0, 'X'), specs, how, extrapolation, rt)];
      };
    },
  },
];
