/**
 * Plane rotations that make columns orthogonal, two groups of four columns at a time: their sixteen products, then sixteen
 * rotations, all but the first from products that follow from those and the rotations before. Column j is factors[j] times what is
 * stored, so that a rotation takes two multiplications an element, and products neither overflow nor underflow.
 */
import { dot, norm } from './columns';
import { cross_products, turn, turn_one } from './rotations';

/** A rotation that changes no squared length by a larger share is not made for the values' sake. */
const NO_EFFECT: f64 = 2e-17;
/** Share of a squared length below which what a rotation leaves of it is taken anew. */
const CANCELLED: f64 = 0.01;
/** Room in the bounds for the rounding of a rotation. */
const ROUNDING: f64 = 1e-15;
/** Stored columns whose squared length is past this are scaled. */
const GROWN: f64 = 1e60;

// The eight columns in hand, in doubles: products of one with another [8, 8], squared lengths [8], factors [8], what the squares of
// these have been divided by [8], p and q of rotations [4, 2].
const SQUARES: usize = 512;
const FACTORS: usize = 576;
const DIVISORS: usize = 640;
const BY: usize = 704;
const HAND: usize = 768;

/** A decomposition under way; lies at the start of the kernel's scratch, followed by what it points to. */
@unmanaged
export class State {
  sweeps: i32;
  m: i32;
  n: i32;
  /** Groups of four columns; those past n are zero. */
  groups: i32;
  /** 1 when every rotation is made that is above rounding, not only those that change a value. */
  strict: i32;
  /** Rotations made in this sweep. */
  turned: i32;
  a: usize;
  v: usize;
  /** A column of zeros. */
  zero: usize;
  /** f64 [4 groups]: squared lengths of the columns as stored, 0 where negligible. */
  squares: usize;
  /** f64 [4 groups]. */
  factors: usize;
  /** f64 [groups, 4, 4]: products of a group's columns as stored. */
  inner: usize;
  /** f64 [groups]: the clock when a column of the group was last changed. */
  changed: usize;
  /** i32 [groups]: rows of a above this one are zero. */
  tops: usize;
  /** f64 [groups, groups]: no cosine between a column of one group and one of the other is above this, while `watched`. */
  bounds: usize;
  /** f64 [groups]: length of a group's longest column when the sweep began. */
  longest: usize;
  /** f64 [groups]: of its shortest. */
  shortest: usize;
  /** 1 while bounds are kept. */
  watched: i32;
  hand: usize;
  /** By what the columns in hand have mixed: cosines with others are below the larger of theirs times this. */
  mixed: f64;
  /** Square of the cosine at rounding level. */
  tolerance: f64;
  /** Largest share by which a rotation of this sweep changed a squared length. */
  share: f64;
  clock: f64;

  // @ts-ignore: decorator
  @inline column(j: i32): usize {
    return j < this.n ? this.a + <usize>j * (<usize>this.m << 3) : this.zero;
  }
  // @ts-ignore: decorator
  @inline vector(j: i32): usize {
    return j < this.n ? this.v + <usize>j * (<usize>this.n << 3) : this.zero;
  }
}

export function state_size(m: i32, n: i32): i32 {
  const groups = (n + 3) >> 2;
  return <i32>offsetof<State>() + <i32>HAND + groups * (32 + 32 + 128 + 3 * 8 + 4 + 8 * groups) + (max<i32>(m, n) << 3);
}

/** Lays out the state at `at`; every column is yet to be renewed. */
export function begin(at: usize, a: usize, m: i32, n: i32, v: usize): State {
  const state = changetype<State>(at);
  const groups = (n + 3) >> 2;
  state.a = a;
  state.v = v;
  state.m = m;
  state.n = n;
  state.groups = groups;
  state.strict = 0;
  state.clock = 0;
  state.hand = at + offsetof<State>();
  state.squares = state.hand + HAND;
  state.factors = state.squares + ((<usize>groups) << 5);
  state.inner = state.factors + ((<usize>groups) << 5);
  state.changed = state.inner + ((<usize>groups) << 7);
  state.longest = state.changed + ((<usize>groups) << 3);
  state.shortest = state.longest + ((<usize>groups) << 3);
  state.zero = state.shortest + ((<usize>groups) << 3);
  state.bounds = state.zero + ((<usize>max<i32>(m, n)) << 3);
  // `tops` last, for it is of i32
  state.tops = state.bounds + (((<usize>groups) * <usize>groups) << 3);
  state.watched = 0;
  memory.fill(state.hand, 0, state.tops - state.hand);
  for (let j = 0; j < 4 * groups; j++) {
    set(state.squares, j, j < n ? 1 : 0);
    set(state.factors, j, 1);
  }
  return state;
}

// @ts-ignore: decorator
@inline
export function get(base: usize, j: i32): f64 {
  return load<f64>(base + (<usize>j << 3));
}

// @ts-ignore: decorator
@inline
export function set(base: usize, j: i32, value: f64): void {
  store<f64>(base + (<usize>j << 3), value);
}

/** Product of columns i and j in hand. */
// @ts-ignore: decorator
@inline
function put(hand: usize, i: i32, j: i32, product: f64): void {
  set(hand, 8 * i + j, product);
  set(hand, 8 * j + i, product);
}

/**
 * Works out the rotation of columns x and y in hand, p and q to `by`, and what it does to their products with the others. Returns 0
 * where none is made, 2 where one of the columns has all but vanished, 1 otherwise.
 */
function plan(state: State, x: i32, y: i32, by: usize, tolerance: f64): i32 {
  const hand = state.hand;
  const g = get(hand, 8 * x + y);
  const xx = get(hand + SQUARES, x);
  const yy = get(hand + SQUARES, y);
  store<f64>(by, 0);
  store<f64>(by, 0, 8);
  if (!(g * g > tolerance * xx * yy)) return 0;
  // |y|^2 / |x|^2 is ratio yy / xx; of the two the longer one is `big`.
  const e = get(hand + FACTORS, y) / get(hand + FACTORS, x);
  let ratio = (e * e * get(hand + DIVISORS, x)) / get(hand + DIVISORS, y);
  let big = xx;
  let small = yy;
  const exchanged = ratio * yy > xx;
  if (exchanged) {
    ratio = 1 / ratio;
    big = yy;
    small = xx;
  }
  const h = g / big;
  const half = 0.5 - 0.5 * min<f64>(1, (ratio * small) / big);
  const q = h / (half + sqrt<f64>(half * half + ratio * h * h));
  const moved = q * g;
  if (moved < NO_EFFECT * small && !state.strict) return 0;
  if (moved > state.share * small) state.share = moved / small;
  const p = ratio * q;
  const growth = 1 + p * q;
  const left = small - moved;
  if (state.watched) state.mixed *= (1 + sqrt<f64>((q * q * big) / small)) * sqrt<f64>(small / max<f64>(left, CANCELLED * small));
  const more = growth * (big + ratio * moved);
  const less = growth * max<f64>(0, left);
  const px = exchanged ? -q : p;
  const py = exchanged ? p : -q;
  store<f64>(by, px);
  store<f64>(by, py, 8);
  set(hand + SQUARES, x, exchanged ? less : more);
  set(hand + SQUARES, y, exchanged ? more : less);
  set(hand + DIVISORS, x, get(hand + DIVISORS, x) * growth);
  set(hand + DIVISORS, y, get(hand + DIVISORS, y) * growth);
  const pp = f64x2.splat(px);
  const qq = f64x2.splat(py);
  const along_x = hand + (<usize>x << 6);
  const along_y = hand + (<usize>y << 6);
  const down_x = hand + (<usize>x << 3);
  const down_y = hand + (<usize>y << 3);
  mix(along_x, along_y, down_x, down_y, pp, qq);
  mix(along_x + 16, along_y + 16, down_x + 128, down_y + 128, pp, qq);
  mix(along_x + 32, along_y + 32, down_x + 256, down_y + 256, pp, qq);
  mix(along_x + 48, along_y + 48, down_x + 384, down_y + 384, pp, qq);
  put(hand, x, y, 0);
  return left < CANCELLED * small ? 2 : 1;
}

/** Two products of each of the rotated columns, in their rows and in their columns. */
// @ts-ignore: decorator
@inline
function mix(x: usize, y: usize, down_x: usize, down_y: usize, p: v128, q: v128): void {
  const u = v128.load(x);
  const v = v128.load(y);
  const s = f64x2.add(u, f64x2.mul(p, v));
  const t = f64x2.add(v, f64x2.mul(q, u));
  v128.store(x, s);
  v128.store(y, t);
  v128.store64_lane(down_x, s, 0);
  v128.store64_lane(down_x, s, 1, 64);
  v128.store64_lane(down_y, t, 0);
  v128.store64_lane(down_y, t, 1, 64);
}

/** Takes the columns of group k as those from `i` on, with their products. */
function take(state: State, k: i32, i: i32): void {
  const hand = state.hand;
  const inner = state.inner + (<usize>k << 7);
  for (let c = 0; c < 4; c++) {
    const j = 4 * k + c;
    set(hand + SQUARES, i + c, get(state.squares, j));
    set(hand + FACTORS, i + c, get(state.factors, j));
    set(hand + DIVISORS, i + c, 1);
    memory.copy(hand + (<usize>(8 * (i + c) + i) << 3), inner + (<usize>c << 5), 32);
  }
}

/** Puts the columns from `i` on back as group k, of which the rows above `top` are zero. */
function give(state: State, k: i32, i: i32, top: i32): void {
  const hand = state.hand;
  const inner = state.inner + (<usize>k << 7);
  let longest: f64 = 0;
  for (let c = 0; c < 4; c++) {
    const j = 4 * k + c;
    const square = get(hand + SQUARES, i + c);
    longest = max<f64>(longest, square);
    set(state.squares, j, square);
    set(state.factors, j, get(hand + FACTORS, i + c) / sqrt<f64>(get(hand + DIVISORS, i + c)));
    memory.copy(inner + (<usize>c << 5), hand + (<usize>(8 * (i + c) + i) << 3), 32);
  }
  store<i32>(state.tops + (<usize>k << 2), top);
  set(state.changed, k, state.clock);
  if (longest > GROWN) renew_group(state, k);
}

/** Bound on the cosines between groups k and l. */
// @ts-ignore: decorator
@inline
export function bound(state: State, k: i32, l: i32): f64 {
  return get(state.bounds, k * state.groups + l);
}

function set_bound(state: State, k: i32, l: i32, value: f64): void {
  set(state.bounds, k * state.groups + l, value);
  set(state.bounds, l * state.groups + k, value);
}

/** Takes for groups k and l, which have exchanged columns, the larger of their bounds. */
export function join_bounds(state: State, k: i32, l: i32): void {
  for (let z = 0; z < state.groups; z++) {
    const both = max<f64>(bound(state, k, z), bound(state, l, z));
    set_bound(state, k, z, both);
    set_bound(state, l, z, both);
  }
  set_bound(state, k, l, 1);
}

/** Largest cosine between the two groups in hand. */
function largest_cosine(hand: usize): f64 {
  let most: f64 = 0;
  for (let i = 0; i < 4; i++) {
    for (let j = 4; j < 8; j++) {
      const g = get(hand, 8 * i + j);
      if (g != 0) most = max<f64>(most, (g * g) / (get(hand + SQUARES, i) * get(hand + SQUARES, j)));
    }
  }
  return sqrt<f64>(most);
}

/** Widens the bounds of groups k and l with all others after their columns have mixed. */
function widen(state: State, k: i32, l: i32): void {
  const groups = <usize>state.groups << 3;
  const along_k = state.bounds + <usize>k * groups;
  const along_l = state.bounds + <usize>l * groups;
  const more = state.mixed - 1;
  for (let z = 0; z < state.groups; z++) {
    const here = get(along_k, z) + ROUNDING;
    const there = get(along_l, z) + ROUNDING;
    const both = more * max<f64>(here, there);
    set_bound(state, k, z, min<f64>(1, here + both));
    set_bound(state, l, z, min<f64>(1, there + both));
  }
}

/** Makes the columns of group k orthogonal to those of group l. */
export function meet(state: State, k: i32, l: i32): void {
  const hand = state.hand;
  const top = min<i32>(load<i32>(state.tops + (<usize>k << 2)), load<i32>(state.tops + (<usize>l << 2)));
  const rows = state.m - top;
  const skip = <usize>top << 3;
  const x = state.a + <usize>(4 * k) * (<usize>state.m << 3) + skip;
  const column = <usize>state.m << 3;
  const y0 = state.column(4 * l) + skip;
  const y1 = 4 * l + 1 < state.n ? y0 + column : state.zero;
  const y2 = 4 * l + 2 < state.n ? y1 + column : state.zero;
  const y3 = 4 * l + 3 < state.n ? y2 + column : state.zero;
  const products = hand + BY;
  let above = 0;
  for (let i = 0; i < 4; i += 2) {
    const x0 = x + <usize>i * column;
    cross_products(x0, x0 + column, y0, y1, y2, y3, rows, products);
    for (let r = i; r < i + 2; r++) {
      const xx = get(state.squares, 4 * k + r);
      for (let c = 0; c < 4; c++) {
        const yy = get(state.squares, 4 * l + c);
        const g = xx > 0 && yy > 0 ? get(products, 4 * (r - i) + c) : 0;
        put(hand, r, 4 + c, g);
        above |= i32(g * g > state.tolerance * xx * yy);
      }
    }
  }
  take(state, k, 0);
  take(state, l, 4);
  if (!above) {
    if (state.watched) set_bound(state, k, l, largest_cosine(hand));
    return;
  }
  state.mixed = 1;
  const y01 = quad(state, x, x + column, y0, y1, rows, k, l, 0, 4, 0);
  const y23 = quad(state, x + 2 * column, x + 3 * column, y2, y3, rows, k, l, 2, 6, y01);
  const y03 = quad(state, x, x + column, y2, y3, rows, k, l, 0, 6, y01 | y23);
  const y21 = quad(state, x + 2 * column, x + 3 * column, y0, y1, rows, k, l, 2, 4, y01 | y23 | y03);
  const made = y01 | y23 | y03 | y21;
  if (state.watched) {
    if (made & 2) state.mixed = 1e300;
    if (made) widen(state, k, l);
    set_bound(state, k, l, made & 2 ? 1 : largest_cosine(hand) + ROUNDING);
  }
  if (!made) return;
  state.turned += 1;
  give(state, k, 0, top);
  give(state, l, 4, top);
  if (made & 2) {
    renew_group(state, k);
    renew_group(state, l);
  }
}

/**
 * Rotates columns i and i + 1 in hand, at x0 and x1, with j and j + 1, at y0 and y1. `before` says whether columns have vanished
 * already: products with what is left of them are not known.
 */
function quad(
  state: State,
  x0: usize,
  x1: usize,
  y0: usize,
  y1: usize,
  rows: i32,
  k: i32,
  l: i32,
  i: i32,
  j: i32,
  before: i32,
): i32 {
  const by = state.hand + BY;
  let made = before;
  made |= plan(state, i, j, by, made & 2 ? Infinity : state.tolerance);
  made |= plan(state, i + 1, j + 1, by + 16, made & 2 ? Infinity : state.tolerance);
  made |= plan(state, i, j + 1, by + 32, made & 2 ? Infinity : state.tolerance);
  made |= plan(state, i + 1, j, by + 48, made & 2 ? Infinity : state.tolerance);
  if (!(made & ~before) && before) {
    // Nothing of this quad's own is known to be made: look at what was planned.
    let any: f64 = 0;
    for (let c = 0; c < 8; c++) any = max<f64>(any, abs<f64>(get(by, c)));
    if (any == 0) return before;
  } else if (!made) return 0;
  turn(x0, x1, y0, y1, rows, by);
  if (state.v) {
    const a = state.vector(4 * k + i);
    const b = state.vector(4 * l + j - 4);
    const c = state.vector(4 * k + i + 1);
    const d = state.vector(4 * l + j - 3);
    turn(a, c, b, d, state.n, by);
  }
  return made;
}

/** Makes the columns of group k orthogonal to one another, and renews their products. */
export function settle(state: State, k: i32): void {
  const top = load<i32>(state.tops + (<usize>k << 2));
  const skip = <usize>top << 3;
  const hand = state.hand;
  const by = hand + BY;
  const count = min<i32>(4, state.n - 4 * k);
  renew_inner(state, k);
  take(state, k, 0);
  state.mixed = 1;
  let made = 0;
  for (let i = 0; i < count - 1; i++) {
    for (let j = i + 1; j < count; j++) {
      const here = plan(state, i, j, by, made & 2 ? Infinity : state.tolerance);
      if (!here) continue;
      made |= here;
      const p = load<f64>(by);
      const q = load<f64>(by, 8);
      turn_one(state.column(4 * k + i) + skip, state.column(4 * k + j) + skip, state.m - top, p, q);
      if (state.v) turn_one(state.vector(4 * k + i), state.vector(4 * k + j), state.n, p, q);
    }
  }
  if (!made) return;
  if (made & 2) state.mixed = 1e300;
  if (state.watched) widen(state, k, k);
  state.turned += 1;
  give(state, k, 0, top);
  if (made & 2) renew_group(state, k);
}

function renew_group(state: State, k: i32): void {
  for (let c = 0; c < 4; c++) renew(state, 4 * k + c);
  renew_inner(state, k);
}

/** Products of the columns of group k anew; 0 where one is negligible. */
export function renew_inner(state: State, k: i32): void {
  const inner = state.inner + (<usize>k << 7);
  const count = min<i32>(4, state.n - 4 * k);
  for (let i = 0; i < count; i++) {
    for (let j = 0; j < i; j++) {
      const counts = get(state.squares, 4 * k + i) > 0 && get(state.squares, 4 * k + j) > 0;
      const product = counts ? dot(state.column(4 * k + i), state.column(4 * k + j), state.m) : 0;
      set(inner, 4 * i + j, product);
      set(inner, 4 * j + i, product);
    }
  }
}

/** Length of column j anew; a column stored long or short is brought to about 1 by a power of two, exactly. */
export function renew(state: State, j: i32): void {
  if (j >= state.n || get(state.squares, j) == 0) return;
  const column = state.column(j);
  let length = norm(column, state.m);
  if (length > 0 && !(length > 1e-12 && length < 1e12)) {
    let scale: f64 = 1;
    // 2^-40 and 2^40
    while (length * scale > 1e6) scale *= 9.094947017729282e-13;
    while (length * scale < 1e-6) scale *= 1099511627776;
    multiply(column, state.m, scale);
    if (state.v) multiply(state.vector(j), state.n, scale);
    set(state.factors, j, get(state.factors, j) / scale);
    length *= scale;
  }
  set(state.squares, j, length * length);
}

/** x *= s */
export function multiply(x: usize, n: i32, s: f64): void {
  for (let i = 0; i < n; i++, x += 8) store<f64>(x, load<f64>(x) * s);
}
