import { ModelError, UnsupportedError } from '../errors.ts';
import { choice, flag, since } from './attributes.ts';
import { withHalf } from './half.ts';
import { likeInput, numbersOf, storing } from './numbers.ts';
import type { Op } from './op.ts';
import { cubic } from './resize-axis.ts';
import { elements, integers, isFloating, need, product, stridesOf } from './shape.ts';
import { roundEven } from './unary.ts';

/** Sampling an image at positions that a tensor holds, and making such positions. */

type Padding = 'zeros' | 'border' | 'reflection';
type Mode = 'nearest' | 'linear' | 'cubic';

/** Names of the modes before and since opset 20. */
const MODES = { bilinear: 'linear', bicubic: 'cubic', linear: 'linear', cubic: 'cubic', nearest: 'nearest' } as const;

/** Spatial axes at most: neighbours grow as 4 to the power of them. */
const MOST_AXES = 5;
/** Entries of one table of neighbours; positions are sampled in blocks of it. */
const TABLE = 2 ** 15;

const CUBIC = cubic(-0.75);

/** x mirrored at both ends of [lo, hi] until it lies within. */
function reflect(x: number, lo: number, hi: number): number {
  const range = hi - lo;
  if (!(range > 0)) return lo;
  const way = Math.abs(x < lo ? lo - x : x > hi ? x - hi : 0);
  if (way === 0) return x;
  const turns = Math.floor(way / range);
  const rest = way - turns * range;
  return x < lo === (turns % 2 === 0) ? lo + rest : hi - rest;
}

/** Positions along one axis of n elements: neighbours (-1 for a zero outside) and their weights. */
class Axis {
  readonly #lo: number;
  readonly #hi: number;
  /** Filled by `at`: one entry a neighbour. */
  readonly index: Int32Array;
  readonly weight: Float64Array;

  constructor(
    readonly n: number,
    readonly mode: Mode,
    readonly padding: Padding,
    readonly align: boolean,
  ) {
    this.#lo = align ? 0 : -0.5;
    this.#hi = align ? n - 1 : n - 0.5;
    const taps = mode === 'nearest' ? 1 : mode === 'linear' ? 2 : 4;
    this.index = new Int32Array(taps);
    this.weight = new Float64Array(taps);
  }

  /** The element at a whole position, which padding moves inside. */
  #inside(p: number): number {
    const { n, padding } = this;
    if (p >= 0 && p < n) return p;
    if (padding === 'zeros') return -1;
    const q = padding === 'border' ? p : Math.trunc(reflect(p, this.#lo, this.#hi));
    return q >= 0 ? Math.min(q, n - 1) : 0;
  }

  /** Neighbours of `g`, which counts -1..1 from the first element to the last, between their outer edges unless aligned. */
  at(g: number): void {
    const { n, mode, padding, index, weight } = this;
    let x = this.align ? ((g + 1) / 2) * (n - 1) : ((g + 1) * n - 1) / 2;
    if (mode === 'nearest') x = roundEven(x);
    if (x < this.#lo || x > this.#hi) {
      // The cubic kernel reads the repeated border itself.
      if (padding === 'border' && mode !== 'cubic') x = Math.min(Math.max(x, 0), n - 1);
      else if (padding === 'reflection') x = reflect(x, this.#lo, this.#hi);
    }
    if (mode === 'nearest') {
      index[0] = this.#inside(Math.trunc(x));
      weight[0] = 1;
      return;
    }
    const base = Math.floor(x);
    const ratio = x - base;
    if (mode === 'linear') {
      index[0] = this.#inside(base);
      index[1] = this.#inside(base + 1);
      weight[0] = 1 - ratio;
      weight[1] = ratio;
      return;
    }
    for (let t = 0; t < 4; t++) {
      index[t] = this.#inside(base - 1 + t);
      weight[t] = CUBIC(ratio + 1 - t);
    }
  }
}

/** What sampling a plane needs: `taps` neighbours a position, -1 for a zero. */
interface Samples {
  readonly src: Float32Array;
  readonly out: Float32Array;
  readonly offsets: Int32Array;
  readonly weights: Float64Array;
  readonly taps: number;
  readonly store: (v: number) => number;
}

/** Sums the weighted neighbours of `count` positions in the plane at `from` into the results at `to`. */
function sample(s: Samples, from: number, to: number, count: number): void {
  const { src, out, offsets, weights, taps, store } = s;
  for (let i = 0, q = 0; i < count; i++) {
    let sum = 0;
    for (let t = 0; t < taps; t++, q++) {
      const o = offsets[q]!;
      if (o >= 0) sum += weights[q]! * Number(src[from + o]!);
    }
    out[to + i] = store(sum);
  }
}

/**
 * X [N, C, spatial...] at the positions of grid [N, positions..., spatial rank], the last axis of X first: [N, C, positions...].
 * With `nearest`, ties go to the even neighbour.
 */
export const GridSample: Op = since(16, (node) => {
  const names = Object.keys(MODES) as (keyof typeof MODES)[];
  const mode = MODES[choice(node, 'mode', names, node.opset < 20 ? 'bilinear' : 'linear')];
  const padding = choice(node, 'padding_mode', ['zeros', 'border', 'reflection'] as const, 'zeros');
  const align = flag(node, 'align_corners');
  return likeInput(0, (inputs, rt) => {
    const x = need(inputs, 0, 'X');
    const grid = need(inputs, 1, 'grid');
    const spatial = x.dims.slice(2);
    const rank = spatial.length;
    if (rank < 1 || grid.dims.length !== rank + 2 || grid.dims[rank + 1] !== rank || grid.dims[0] !== x.dims[0])
      throw new ModelError(
        `grid: expected shape [${x.dims[0]}, ${rank} sizes, ${rank}] for X [${x.dims}], found [${grid.dims}]`,
      );
    if (rank > MOST_AXES)
      throw new UnsupportedError(`X: at most ${MOST_AXES} spatial axes are supported, found ${rank}`);
    if (grid.dtype !== 'float' && grid.dtype !== 'double')
      throw new ModelError(`grid: expected a floating type, found ${grid.dtype}`);
    const [n, c] = x.dims as [number, number];
    const y = rt.empty(x.dtype, [n, c, ...grid.dims.slice(1, -1)]);
    if (y.data.length === 0) return [y];
    const size = product(spatial);
    if (size === 0) throw new ModelError(`X: expected spatial sizes >= 1, found [${x.dims}]`);
    const axes = spatial.map((d) => new Axis(d, mode, padding, align));
    const strides = stridesOf(spatial);
    const perAxis = axes[0]!.index.length;
    const taps = perAxis ** rank;
    const points = product(grid.dims, 1, rank + 1);
    const block = Math.max(1, Math.floor(TABLE / taps));
    const offsets = new Int32Array(block * taps);
    const weights = new Float64Array(block * taps);
    const g = elements(grid);
    const s: Samples = {
      src: elements(x),
      out: elements(y),
      offsets,
      weights,
      taps,
      store: storing(x.dtype) as (v: number) => number,
    };
    for (let b = 0; b < n; b++)
      for (let first = 0; first < points; first += block) {
        const count = Math.min(block, points - first);
        for (let i = 0, q = 0; i < count; i++) {
          const at = (b * points + first + i) * rank;
          for (let a = 0; a < rank; a++) axes[a]!.at(g[at + rank - 1 - a]!);
          for (let t = 0; t < taps; t++, q++) {
            let rest = t;
            let offset = 0;
            let w = 1;
            for (let a = rank - 1; a >= 0; a--) {
              const k = rest % perAxis;
              rest = (rest - k) / perAxis;
              const p = axes[a]!.index[k]!;
              offset = p < 0 || offset < 0 ? -1 : offset + p * strides[a]!;
              w *= axes[a]!.weight[k]!;
            }
            offsets[q] = offset;
            weights[q] = w;
          }
        }
        for (let p = b * c; p < (b + 1) * c; p++) sample(s, p * size, p * points + first, count);
      }
    return [y];
  });
});

/** -1..1 in n steps: at the ends where aligned, else at the middles of n equal parts. */
function line(n: number, align: boolean): Float64Array {
  const out = new Float64Array(n);
  for (let i = 0; i < n; i++) out[i] = align ? (n === 1 ? 0 : (2 * i) / (n - 1) - 1) : (2 * i + 1) / n - 1;
  return out;
}

/** Positions for GridSample: theta [N, r, r + 1] applied to the regular grid of `size` [N, C, spatial...]: [N, spatial..., r]. */
export const AffineGrid: Op = withHalf(
  since(20, (node) => {
    const align = flag(node, 'align_corners');
    return (inputs, rt) => {
      const theta = need(inputs, 0, 'theta');
      if (!isFloating(theta.dtype)) throw new ModelError(`theta: expected a floating type, found ${theta.dtype}`);
      const size = integers(need(inputs, 1, 'size'), 'size');
      const spatial = size.slice(2);
      const rank = spatial.length;
      if ((rank !== 2 && rank !== 3) || size.some((d) => d < 0))
        throw new ModelError(`size: expected [N, C, H, W] or [N, C, D, H, W], found [${size}]`);
      if (String(theta.dims) !== String([size[0], rank, rank + 1]))
        throw new ModelError(`theta: expected shape [${size[0]},${rank},${rank + 1}], found [${theta.dims}]`);
      const y = rt.empty(theta.dtype, [size[0]!, ...spatial, rank]);
      if (y.data.length === 0) return [y];
      const m = numbersOf(theta, rt);
      const out = elements(y);
      const lines = spatial.map((d) => line(d, align));
      const count = product(spatial);
      const position = new Array<number>(rank).fill(0);
      for (let n = 0, q = 0; n < size[0]!; n++)
        for (let i = 0; i < count; i++) {
          for (let r = 0; r < rank; r++) {
            const row = (n * rank + r) * (rank + 1);
            let v = m[row + rank]!;
            // Coordinates are in the order x, y, z: the last axis first.
            for (let a = 0; a < rank; a++) v += m[row + a]! * lines[rank - 1 - a]![position[rank - 1 - a]!]!;
            out[q++] = v;
          }
          for (let a = rank - 1; a >= 0; a--) {
            if (++position[a]! < spatial[a]!) break;
            position[a] = 0;
          }
        }
      return [y];
    };
  }),
);
