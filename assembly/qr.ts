/**
 * Householder QR with column pivoting (Businger and Golub 1965; norms downdated as in Drmac and Bujanovic 2008). With the
 * rows sorted by size beforehand it is stable row by row too (Cox and Higham 1998), so graded matrices keep their small
 * singular values.
 */
import { add_multiple, dot, norm, swap } from './columns';
import { add_lanes_f64, madd_f64 } from './lanes';

/** Square root of the rounding unit: below this share, what is left of a downdated norm is noise. */
const CANCELLED: f64 = 1.4901161193847656e-8;

export function qr_scratch(n: i32): i32 {
  return n << 4;
}

/**
 * A P = Q R. a: column-major [m, n], m >= n; R is left in its upper triangle, the Householder vectors (leading 1 not stored) below,
 * their factors in tau [n]; perm: i32 [n], column j of A P is column perm[j] of A.
 */
export function qr(a: usize, m: i32, n: i32, tau: usize, perm: usize, scratch: usize): void {
  const column = <usize>m << 3;
  const now = scratch;
  const exact = scratch + (<usize>n << 3);
  for (let j = 0; j < n; j++) {
    const size = norm(a + <usize>j * column, m);
    store<f64>(now + (<usize>j << 3), size);
    store<f64>(exact + (<usize>j << 3), size);
    store<i32>(perm + (<usize>j << 2), j);
  }
  for (let j = 0; j < n; j++) {
    let best = j;
    for (let l = j + 1; l < n; l++) {
      if (load<f64>(now + (<usize>l << 3)) > load<f64>(now + (<usize>best << 3))) best = l;
    }
    if (best != j) {
      swap(a + <usize>j * column, a + <usize>best * column, column);
      swap(now + (<usize>j << 3), now + (<usize>best << 3), 8);
      swap(exact + (<usize>j << 3), exact + (<usize>best << 3), 8);
      const p = load<i32>(perm + (<usize>j << 2));
      store<i32>(perm + (<usize>j << 2), load<i32>(perm + (<usize>best << 2)));
      store<i32>(perm + (<usize>best << 2), p);
    }
    const x = a + <usize>j * column + (<usize>j << 3);
    const rest = m - j - 1;
    const factor = reflect(x, rest);
    store<f64>(tau + (<usize>j << 3), factor);
    const first = a + <usize>(j + 1) * column + (<usize>j << 3);
    apply_all(x, first, column, n - j - 1, rest, factor);
    for (let l = j + 1; l < n; l++)
      downdate(now + (<usize>l << 3), exact + (<usize>l << 3), first + <usize>(l - j - 1) * column, rest);
  }
}

/** B = Q B for column-major B [m, cols], Q as `qr` left it. */
export function qr_apply(a: usize, m: i32, n: i32, tau: usize, b: usize, cols: i32): void {
  const column = <usize>m << 3;
  for (let j = n - 1; j >= 0; j--) {
    const x = a + <usize>j * column + (<usize>j << 3);
    const factor = load<f64>(tau + (<usize>j << 3));
    apply_all(x, b + (<usize>j << 3), column, cols, m - j - 1, factor);
  }
}

/**
 * Makes the Householder vector of (x0, rest): x0 becomes the column's entry of R, the rest v with v0 = 1; returns tau of H = I - tau v v'.
 */
function reflect(x: usize, rest: i32): f64 {
  const below = norm(x + 8, rest);
  if (below == 0) return 0;
  const x0 = load<f64>(x);
  const size = hypotenuse(x0, below);
  const r = x0 >= 0 ? -size : size;
  const divisor = x0 - r;
  for (let i = 1; i <= rest; i++) {
    const p = x + (<usize>i << 3);
    store<f64>(p, load<f64>(p) / divisor);
  }
  store<f64>(x, r);
  return -divisor / r;
}

/** sqrt(x^2 + y^2) without underflow. */
// @ts-ignore: decorator
@inline
function hypotenuse(x: f64, y: f64): f64 {
  const a = max<f64>(abs<f64>(x), abs<f64>(y));
  const b = min<f64>(abs<f64>(x), abs<f64>(y));
  const t = b / a;
  return a * sqrt<f64>(1 + t * t);
}

/** y -= tau (v . y) v for `count` columns y, `column` bytes apart; v0 is 1. */
function apply_all(v: usize, y: usize, column: usize, count: i32, rest: i32, tau: f64): void {
  if (tau == 0) return;
  let l = 0;
  for (; l + 4 <= count; l += 4, y += 4 * column) apply_four(v, y, y + column, y + 2 * column, y + 3 * column, rest, tau);
  for (; l < count; l++, y += column) {
    const y0 = load<f64>(y);
    const s = tau * (y0 + dot(v + 8, y + 8, rest));
    store<f64>(y, y0 - s);
    add_multiple(y + 8, v + 8, rest, -s);
  }
}

function apply_four(v: usize, w: usize, x: usize, y: usize, z: usize, rest: i32, tau: f64): void {
  let a = f64x2.splat(0);
  let b = a;
  let c = a;
  let d = a;
  let e = a;
  let f = a;
  let g = a;
  let h = a;
  let o: usize = 8;
  const twice = (<usize>(rest >> 2) << 5) + 8;
  for (; o < twice; o += 32) {
    const p = v128.load(v + o);
    const q = v128.load(v + o, 16);
    a = madd_f64(a, p, v128.load(w + o));
    b = madd_f64(b, p, v128.load(x + o));
    c = madd_f64(c, p, v128.load(y + o));
    d = madd_f64(d, p, v128.load(z + o));
    e = madd_f64(e, q, v128.load(w + o, 16));
    f = madd_f64(f, q, v128.load(x + o, 16));
    g = madd_f64(g, q, v128.load(y + o, 16));
    h = madd_f64(h, q, v128.load(z + o, 16));
  }
  let s = load<f64>(w) + add_lanes_f64(f64x2.add(a, e));
  let t = load<f64>(x) + add_lanes_f64(f64x2.add(b, f));
  let u = load<f64>(y) + add_lanes_f64(f64x2.add(c, g));
  let r = load<f64>(z) + add_lanes_f64(f64x2.add(d, h));
  const end = <usize>(rest + 1) << 3;
  for (let i = o; i < end; i += 8) {
    const p = load<f64>(v + i);
    s += p * load<f64>(w + i);
    t += p * load<f64>(x + i);
    u += p * load<f64>(y + i);
    r += p * load<f64>(z + i);
  }
  s *= tau;
  t *= tau;
  u *= tau;
  r *= tau;
  store<f64>(w, load<f64>(w) - s);
  store<f64>(x, load<f64>(x) - t);
  store<f64>(y, load<f64>(y) - u);
  store<f64>(z, load<f64>(z) - r);
  const ss = f64x2.splat(-s);
  const tt = f64x2.splat(-t);
  const uu = f64x2.splat(-u);
  const rr = f64x2.splat(-r);
  for (o = 8; o + 16 <= end; o += 16) {
    const p = v128.load(v + o);
    // Loads first: a load at a store's distance of a multiple of 4096 bytes waits for it.
    const w1 = madd_f64(v128.load(w + o), ss, p);
    const x1 = madd_f64(v128.load(x + o), tt, p);
    const y1 = madd_f64(v128.load(y + o), uu, p);
    const z1 = madd_f64(v128.load(z + o), rr, p);
    v128.store(w + o, w1);
    v128.store(x + o, x1);
    v128.store(y + o, y1);
    v128.store(z + o, z1);
  }
  if (o < end) {
    const p = load<f64>(v + o);
    store<f64>(w + o, load<f64>(w + o) - s * p);
    store<f64>(x + o, load<f64>(x + o) - t * p);
    store<f64>(y + o, load<f64>(y + o) - u * p);
    store<f64>(z + o, load<f64>(z + o) - r * p);
  }
}

/** The norm of a column below its new entry of R, at y. */
// @ts-ignore: decorator
@inline
function downdate(now: usize, exact: usize, y: usize, rest: i32): void {
  const size = load<f64>(now);
  if (size == 0) return;
  const share = abs<f64>(load<f64>(y)) / size;
  const left = max<f64>(0, (1 + share) * (1 - share));
  const ratio = size / load<f64>(exact);
  if (left * ratio * ratio > CANCELLED) {
    store<f64>(now, size * sqrt<f64>(left));
  } else {
    const fresh = norm(y + 8, rest);
    store<f64>(now, fresh);
    store<f64>(exact, fresh);
  }
}
