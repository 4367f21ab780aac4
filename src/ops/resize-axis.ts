import type { AxisTable } from './resample.ts';

/** What Resize does along one axis: where each output element lies in the input, and which neighbours make it up. */

export const COORDINATES = [
  'half_pixel',
  'half_pixel_symmetric',
  'pytorch_half_pixel',
  'align_corners',
  'asymmetric',
  'tf_half_pixel_for_nn',
  'tf_crop_and_resize',
] as const;
export type Coordinates = (typeof COORDINATES)[number];

/** `simple` is that of Resize 10 and Upsample: ceil where the axis shrinks, floor elsewhere. */
export type NearestMode = 'round_prefer_floor' | 'round_prefer_ceil' | 'floor' | 'ceil' | 'simple';

export interface AxisSpec {
  readonly axis: number;
  /** Input and output length, both >= 1. */
  readonly n: number;
  readonly size: number;
  readonly scale: number;
  /** The part of the axis that tf_crop_and_resize takes, as fractions of n - 1. */
  readonly roi: readonly [number, number];
}

export interface Interpolation {
  readonly mode: 'nearest' | 'linear' | 'cubic';
  readonly coordinates: Coordinates;
  readonly nearest: NearestMode;
  readonly cubicA: number;
  readonly excludeOutside: boolean;
  readonly antialias: boolean;
}

const f = Math.fround;

/** The output length before it was rounded, but whole where only the rounding of `scale` keeps it from that. */
function fractionalLength({ n, size, scale }: AxisSpec): number {
  const length = scale * n;
  return Math.abs(length - size) <= 1e-5 * size ? size : length;
}

/** Position in the input of output element i, in f32 arithmetic as far as a tie between neighbours depends on it. */
export function coordinate(spec: AxisSpec, coordinates: Coordinates): (i: number) => number {
  const { n, size, scale, roi } = spec;
  const length = fractionalLength(spec);
  const halfPixel = (i: number) => f(f((i + 0.5) / scale) - 0.5);
  switch (coordinates) {
    case 'half_pixel':
      return halfPixel;
    case 'half_pixel_symmetric': {
      const offset = (n / 2) * (1 - size / length);
      return offset === 0 ? halfPixel : (i) => offset + (i + 0.5) / scale - 0.5;
    }
    case 'pytorch_half_pixel':
      return size === 1 ? () => 0 : halfPixel;
    case 'align_corners':
      return length === 1 ? () => 0 : (i) => f(f(i * (n - 1)) / f(length - 1));
    case 'asymmetric':
      return (i) => f(i / scale);
    case 'tf_half_pixel_for_nn':
      return (i) => f((i + 0.5) / scale);
    case 'tf_crop_and_resize': {
      const [start, end] = roi;
      if (length === 1) return () => 0.5 * (start + end) * (n - 1);
      return (i) => f(start * (n - 1) + (i * (end - start) * (n - 1)) / (length - 1));
    }
  }
}

function rounding(mode: NearestMode, scale: number): (x: number) => number {
  switch (mode) {
    case 'round_prefer_floor':
      return (x) => Math.ceil(x - 0.5);
    case 'round_prefer_ceil':
      return (x) => Math.floor(x + 0.5);
    case 'floor':
      return Math.floor;
    case 'ceil':
      return Math.ceil;
    case 'simple':
      return scale < 1 ? Math.ceil : Math.floor;
  }
}

function triangle(x: number): number {
  return Math.max(0, 1 - Math.abs(x));
}

/** The cubic convolution kernel (Keys, 1981) with parameter a. */
export function cubic(a: number): (x: number) => number {
  return (signed) => {
    const x = Math.abs(signed);
    if (x <= 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
    if (x < 2) return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a;
    return 0;
  };
}

function clamp(v: number, n: number): number {
  // Not a number only where the model's own numbers are absurd.
  return v >= 0 ? Math.min(v, n - 1) : 0;
}

/** The table of one axis, and the output elements that lie outside the input. */
export function axisTable(spec: AxisSpec, how: Interpolation): AxisTable & { readonly outside: Uint8Array } {
  const { axis, n, size } = spec;
  const at = coordinate(spec, how.coordinates);
  const outside = new Uint8Array(size);
  for (let i = 0; i < size; i++) outside[i] = at(i) >= 0 && at(i) <= n - 1 ? 0 : 1;
  if (how.mode === 'nearest') {
    const round = rounding(how.nearest, spec.scale);
    const index = Int32Array.from({ length: size }, (_, i) => clamp(round(at(i)), n));
    return { axis, size, taps: 1, index, outside };
  }
  const kernel = how.mode === 'linear' ? triangle : cubic(how.cubicA);
  const reach = how.mode === 'linear' ? 1 : 2;
  // Antialiasing widens the kernel to what one output element covers.
  const stretch = how.antialias ? Math.min(spec.scale, 1) : 1;
  const first = Math.floor(-reach / stretch) + 1;
  const taps = 2 - 2 * first;
  const index = new Int32Array(size * taps);
  const weight = new Float64Array(size * taps);
  for (let i = 0; i < size; i++) {
    const x = at(i);
    const base = Math.floor(x);
    let sum = 0;
    for (let t = 0, q = i * taps; t < taps; t++, q++) {
      const p = base + first + t;
      const w = kernel((first + t - (x - base)) * stretch);
      index[q] = clamp(p, n);
      weight[q] = how.excludeOutside && (p < 0 || p >= n) ? 0 : w;
      sum += weight[q]!;
    }
    if (sum !== 0 && (how.excludeOutside || how.antialias))
      for (let q = i * taps; q < (i + 1) * taps; q++) weight[q]! /= sum;
  }
  return { axis, size, taps, index, weight, outside };
}
