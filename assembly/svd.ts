/**
 * Singular values by one-sided Jacobi rotations (Hestenes 1958). Columns are made orthogonal in pairs until no rotation changes a
 * value; their lengths then are the singular values, each right to high relative accuracy however the columns are scaled (Demmel and
 * Veselic 1992). Each sweep begins with the columns sorted by length (after de Rijk 1989) and works on tiles of them that stay in cache.
 */
import { norm, swap } from './columns';
import { begin, bound, get, join_bounds, meet, multiply, renew, renew_inner, set, settle, State, state_size } from './jacobi';

const EPSILON: f64 = 2.220446049250313e-16;
const MAX_SWEEPS = 60;
/** A sweep whose rotations change no squared length by more than this share is the last: what it leaves is of the order of its square. */
const SETTLED: f64 = 1e-15;
/** Below this share bounds on what is left are kept, so that columns need not be looked at again. */
const LATE: f64 = 0.02;
/** A pair of columns is passed over where no squared length can change by more than this share. */
const NOTHING: f64 = 2e-16;
/** Columns shorter than this are left as they are. */
const NEGLIGIBLE: f64 = 1e-290;
/** Bytes of columns that are worked on together: about half of a second-level cache. */
const TILE = 1 << 20;
/** And of those that stay in the first. */
const NEAR = 40 << 10;

export function svd_scratch(m: i32, n: i32): i32 {
  return state_size(m, n);
}

export function svd(a: usize, m: i32, n: i32, sigma: usize, v: usize, scratch: usize): void {
  const state = begin(scratch, a, m, n, v);
  state.tolerance = EPSILON * EPSILON * <f64>m;
  if (v) {
    memory.fill(v, 0, (<usize>n << 3) * <usize>n);
    for (let j = 0; j < n; j++) store<f64>(v + <usize>j * ((<usize>n << 3) + 8), 1);
  }
  find_tops(state);
  let sweep = 1;
  for (; sweep <= MAX_SWEEPS; sweep++) {
    refresh(state);
    if (sweep > 2 && !state.watched && state.share < LATE) {
      state.watched = 1;
      for (let i = 0; i < state.groups * state.groups; i++) set(state.bounds, i, 1);
    }
    state.turned = 0;
    state.share = 0;
    turn_all(state, sweep);
    if (state.strict ? state.turned > 0 : state.share > SETTLED) continue;
    if (!state.strict) values(state, sigma);
    if (state.strict || !v) break;
    // Vectors are to be orthogonal too.
    state.strict = 1;
    for (let k = 0; k < state.groups; k++) set(state.changed, k, state.clock);
  }
  const converged = sweep <= MAX_SWEEPS;
  if (!converged && !state.strict) values(state, sigma);
  if (v) unscale(state);
  state.sweeps = converged ? sweep : -MAX_SWEEPS;
}

/** Where the columns of each group begin to be other than zero. */
function find_tops(state: State): void {
  for (let k = 0; k < state.groups; k++) {
    let least = state.m;
    for (let j = 4 * k; j < min<i32>(4 * k + 4, state.n); j++) {
      const x = state.column(j);
      let top = 0;
      while (top < least && get(x, top) == 0) top++;
      least = top;
    }
    store<i32>(state.tops + (<usize>k << 2), least & ~1);
  }
}

/** Lengths anew, columns sorted by them. */
function refresh(state: State): void {
  const n = state.n;
  for (let j = 0; j < n; j++) {
    renew(state, j);
    if (length(state, j) < NEGLIGIBLE) set(state.squares, j, 0);
  }
  for (let i = 0; i < n; i++) bring_longest(state, i);
  for (let k = 0; k < state.groups; k++) {
    renew_inner(state, k);
    let longest: f64 = 0;
    let shortest: f64 = Infinity;
    for (let j = 4 * k; j < min<i32>(4 * k + 4, n); j++) {
      longest = max<f64>(longest, length(state, j));
      shortest = min<f64>(shortest, length(state, j));
    }
    set(state.longest, k, longest);
    set(state.shortest, k, shortest);
  }
}

// @ts-ignore: decorator
@inline
function length(state: State, j: i32): f64 {
  return sqrt<f64>(get(state.squares, j)) * get(state.factors, j);
}

/** Exchanges column i with the longest of those from i on. */
function bring_longest(state: State, i: i32): void {
  let best = i;
  let most = length(state, i);
  for (let j = i + 1; j < state.n; j++) {
    const candidate = length(state, j);
    if (candidate > most) {
      most = candidate;
      best = j;
    }
  }
  if (best == i) return;
  swap(state.column(i), state.column(best), <usize>state.m << 3);
  if (state.v) swap(state.vector(i), state.vector(best), <usize>state.n << 3);
  swap(state.squares + (<usize>i << 3), state.squares + (<usize>best << 3), 8);
  swap(state.factors + (<usize>i << 3), state.factors + (<usize>best << 3), 8);
  const here = state.tops + (<usize>(i >> 2) << 2);
  const there = state.tops + (<usize>(best >> 2) << 2);
  const top = min<i32>(load<i32>(here), load<i32>(there));
  store<i32>(here, top);
  store<i32>(there, top);
  if (state.watched && i >> 2 != best >> 2) join_bounds(state, i >> 2, best >> 2);
  set(state.changed, i >> 2, state.clock);
  set(state.changed, best >> 2, state.clock);
}

/**
 * Every pair of columns once. The first sweep goes from the last columns to the first, so that of a lower triangular matrix zeros
 * are not touched; later ones from the first, and pass over what has not changed since it was last looked at.
 */
function turn_all(state: State, sweep: i32): void {
  const groups = state.groups;
  const bytes = max<i32>(1, state.m) << 5;
  const near = max<i32>(1, NEAR / bytes - 1);
  const tile = near * max<i32>(1, TILE / (2 * near * bytes));
  const tiles = (groups + tile - 1) / tile;
  state.clock = <f64>sweep * steps(state);
  for (let t = 0; t < tiles; t++) {
    const x = (sweep == 1 ? tiles - 1 - t : t) * tile;
    const x_end = min<i32>(groups, x + tile);
    const parts = (x_end - x + near - 1) / near;
    for (let y = x; y < groups; y += tile) {
      const y_end = min<i32>(groups, y + tile);
      for (let p = 0; p < parts; p++) {
        const from = x + (sweep == 1 ? parts - 1 - p : p) * near;
        part(state, sweep, from, min<i32>(x_end, from + near), y, y_end);
      }
    }
  }
}

/** Visits of a sweep: each group alone and with every later one. */
// @ts-ignore: decorator
@inline
function steps(state: State): f64 {
  return <f64>state.groups * <f64>(state.groups + 1) * 0.5;
}

/** Groups k of [x, x_end) with the later groups l of [y, y_end); with one another too where y is at the tile of x. */
function part(state: State, sweep: i32, x: i32, x_end: i32, y: i32, y_end: i32): void {
  if (y <= x) {
    for (let i = x; i < x_end; i++) {
      const k = sweep == 1 ? x_end - 1 - (i - x) : i;
      settle(state, k);
      state.clock += 1;
      for (let l = k + 1; l < x_end; l++) visit(state, sweep, k, l);
    }
  }
  for (let l = max<i32>(x_end, y); l < y_end; l++) {
    for (let i = x; i < x_end; i++) visit(state, sweep, sweep == 1 ? x_end - 1 - (i - x) : i, l);
  }
}

/** Makes groups k and l orthogonal, k < l, unless nothing can have come of it. */
// @ts-ignore: decorator
@inline
function visit(state: State, sweep: i32, k: i32, l: i32): void {
  const before = state.clock - steps(state);
  const same = sweep > 2 && get(state.changed, k) < before && get(state.changed, l) < before;
  if (!same && !(state.watched && !state.strict && negligible(state, k, l))) meet(state, k, l);
  state.clock += 1;
}

/** Of columns whose squared lengths are 1 and r^2 a rotation changes either by a share of at most cosine^2 / (1 - r^2). */
// @ts-ignore: decorator
@inline
function negligible(state: State, k: i32, l: i32): bool {
  const cosine = bound(state, k, l);
  const r = min<f64>(1, get(state.longest, l) / get(state.shortest, k));
  return cosine * cosine <= 0.5 * NOTHING * (1 - r * r);
}

/** The lengths of the columns, sorted, to sigma. */
function values(state: State, sigma: usize): void {
  const n = state.n;
  for (let j = 0; j < n; j++) {
    set(sigma, j, norm(state.column(j), state.m) * get(state.factors, j));
  }
  const end = sigma + (<usize>n << 3);
  for (let x = sigma; x < end; x += 8) {
    let best = x;
    for (let p = x + 8; p < end; p += 8) if (load<f64>(p) > load<f64>(best)) best = p;
    swap(x, best, 8);
  }
}

/** Columns, and vectors, times their factors, sorted by length. */
function unscale(state: State): void {
  const n = state.n;
  refresh(state);
  for (let j = 0; j < n; j++) {
    multiply(state.column(j), state.m, get(state.factors, j));
    multiply(state.vector(j), n, get(state.factors, j));
  }
}
