/**
 * Coordinate descent on the codes of rows under e H e', e = w - level * scale: each code in turn becomes the one of least
 * error while all others stay (the step of K. Behdin et al., "QuantEase", arXiv 2309.01885), and each scale the least-squares one.
 */
import { nearestHalf } from './clip';

/** Steps of half a level and rounding error are not taken: two codes of the same error would change places for ever. */
const STEP: f32 = 0.5001;
/** Turns of codes, then scales. */
const TURNS = 4;
/** Least gain of a pair of steps, as a share of what one step alone would cost. */
const PAIR: f32 = 1e-3;
const FLOAT_MAX: f64 = 3.4028234663852886e38;

/** y -= s x */
// @ts-ignore: decorator
@inline
function subtract(y: usize, x: usize, n: i32, s: f32): void {
  const v = f32x4.splat(s);
  let i = 0;
  for (; i + 8 <= n; i += 8, x += 32, y += 32) {
    v128.store(y, f32x4.sub(v128.load(y), f32x4.mul(v, v128.load(x))));
    v128.store(y, f32x4.sub(v128.load(y, 16), f32x4.mul(v, v128.load(x, 16))), 16);
  }
  for (; i < n; i++, x += 4, y += 4) store<f32>(y, load<f32>(y) - s * load<f32>(x));
}

/** Floats an array of n takes in scratch. */
// @ts-ignore: decorator
@inline
function padded(n: i32): usize {
  return <usize>((n + 3) & ~3);
}

export function descend_scratch(n: i32): i32 {
  return (<i32>padded(n) * 7) << 2;
}

/** Scale, least and largest level, and 1 / (scale H_jj) of each column of a row: the first four arrays in scratch, H_jj being the last. */
function columns(
  n: i32,
  scales: usize,
  zeros: usize,
  blocks: usize,
  top: i32,
  scratch: usize,
): void {
  const size = padded(n) << 2;
  for (let j = 0; j < n; j++) {
    const o = <usize>j << 2;
    const b = <usize>load<i32>(blocks + o) << 2;
    const s = load<f32>(scales + b);
    const z = load<f32>(zeros + b);
    const pull = <f32>1 / (s * load<f32>(scratch + 6 * size + o));
    store<f32>(scratch + o, s);
    store<f32>(scratch + size + o, -z);
    store<f32>(scratch + 2 * size + o, <f32>top - z);
    store<f32>(scratch + 3 * size + o, pull < Infinity ? pull : 0);
  }
}

/** Gives column j its best level. Returns whether it changed. */
// @ts-ignore: decorator
@inline
function step(h: usize, n: i32, level: usize, g: usize, scratch: usize, j: i32): bool {
  const size = padded(n) << 2;
  const o = <usize>j << 2;
  const x = load<f32>(level + o);
  const pull = load<f32>(g + o) * load<f32>(scratch + 3 * size + o);
  if (!(abs<f32>(pull) > STEP)) return false;
  const q = min<f32>(max<f32>(nearest<f32>(x + pull), load<f32>(scratch + size + o)), load<f32>(scratch + 2 * size + o));
  if (q == x) return false;
  store<f32>(level + o, q);
  subtract(g, h + ((<usize>j * <usize>n) << 2), n, (q - x) * load<f32>(scratch + o));
  return true;
}

/** One pass over the codes of a row. */
function sweep(h: usize, n: i32, level: usize, g: usize, scratch: usize): bool {
  const size = padded(n) << 2;
  const limit = f32x4.splat(STEP);
  let changed = false;
  let j = 0;
  for (; j + 4 <= n; j += 4) {
    const o = <usize>j << 2;
    const pull = f32x4.mul(v128.load(g + o), v128.load(scratch + 3 * size + o));
    if (!v128.any_true(f32x4.gt(f32x4.abs(pull), limit))) continue;
    for (let k = j; k < j + 4; k++) if (step(h, n, level, g, scratch, k)) changed = true;
  }
  for (; j < n; j++) if (step(h, n, level, g, scratch, j)) changed = true;
  return changed;
}

/** What one step up and one step down of every level adds to the row's error; Infinity where the code has an end. Written to `up` and `down`. */
function steps(n: i32, level: usize, g: usize, scratch: usize, up: usize, down: usize): void {
  const size = padded(n) << 2;
  for (let j = 0; j < n; j++) {
    const o = <usize>j << 2;
    const s = load<f32>(scratch + o);
    const x = load<f32>(level + o);
    const own = s * s * load<f32>(scratch + 6 * size + o);
    const slope = <f32>2 * s * load<f32>(g + o);
    store<f32>(up + o, x < load<f32>(scratch + 2 * size + o) ? own - slope : Infinity);
    store<f32>(down + o, x > load<f32>(scratch + size + o) ? own + slope : Infinity);
  }
}

/** Whether a step of some level after i might, with a step of level i either way, come below `limit`: a bound of what `partner` finds. */
function promising(h: usize, n: i32, scratch: usize, up: usize, down: usize, i: i32, limit: f32): bool {
  const row = h + ((<usize>i * <usize>n) << 2);
  const f = <f32>2 * load<f32>(scratch + (<usize>i << 2));
  const v = f32x4.splat(f);
  const most = f32x4.splat(limit);
  let j = i + 1;
  for (; j + 4 <= n; j += 4) {
    const o = <usize>j << 2;
    const t = f32x4.abs(f32x4.mul(v, f32x4.mul(v128.load(row + o), v128.load(scratch + o))));
    const least = f32x4.sub(f32x4.pmin(v128.load(up + o), v128.load(down + o)), t);
    if (v128.any_true(f32x4.lt(least, most))) return true;
  }
  for (; j < n; j++) {
    const o = <usize>j << 2;
    const t = abs<f32>(f * (load<f32>(row + o) * load<f32>(scratch + o)));
    if (min<f32>(load<f32>(up + o), load<f32>(down + o)) - t < limit) return true;
  }
  return false;
}

/** The level that together with one step `d` of level i lowers the error most, as j, or -1 - j for a step down; n where none does. */
function partner(h: usize, n: i32, scratch: usize, up: usize, down: usize, i: i32, d: f32, limit: f32): i32 {
  const row = h + ((<usize>i * <usize>n) << 2);
  const f = <f32>2 * d * load<f32>(scratch + (<usize>i << 2));
  const v = f32x4.splat(f);
  const most = f32x4.splat(limit);
  let best = limit;
  let found = n;
  for (let j = i + 1; j < n; ) {
    if (j + 4 <= n) {
      const o = <usize>j << 2;
      const t = f32x4.mul(v, f32x4.mul(v128.load(row + o), v128.load(scratch + o)));
      const least = f32x4.pmin(f32x4.add(v128.load(up + o), t), f32x4.sub(v128.load(down + o), t));
      if (!v128.any_true(f32x4.lt(least, most))) {
        j += 4;
        continue;
      }
    }
    for (const end = min(j + 4, n); j < end; j++) {
      const o = <usize>j << 2;
      const t = f * (load<f32>(row + o) * load<f32>(scratch + o));
      const a = load<f32>(up + o) + t;
      const b = load<f32>(down + o) - t;
      if (a < best) {
        best = a;
        found = j;
      }
      if (b < best) {
        best = b;
        found = -1 - j;
      }
    }
  }
  return found;
}

/** One pass over pairs of codes, each of which moves by one. Returns whether any did. */
function sweepPairs(h: usize, n: i32, level: usize, g: usize, scratch: usize, up: usize, down: usize): bool {
  steps(n, level, g, scratch, up, down);
  let changed = false;
  for (let i = 0; i < n; i++) {
    const o = <usize>i << 2;
    const s = load<f32>(scratch + o);
    const tie = PAIR * s * s * load<f32>(scratch + 24 * padded(n) + o);
    if (!promising(h, n, scratch, up, down, i, -min<f32>(load<f32>(up + o), load<f32>(down + o)) - tie)) continue;
    for (let sign = 0; sign < 2; sign++) {
      const d: f32 = sign ? -1 : 1;
      const cost = load<f32>((sign ? down : up) + o);
      if (cost == Infinity) continue;
      // Gains within rounding of the terms are none.
      const j = partner(h, n, scratch, up, down, i, d, -cost - tie);
      if (j == n) continue;
      const other = j < 0 ? -1 - j : j;
      const e: f32 = j < 0 ? -1 : 1;
      const p = <usize>other << 2;
      store<f32>(level + o, load<f32>(level + o) + d);
      store<f32>(level + p, load<f32>(level + p) + e);
      subtract(g, h + ((<usize>i * <usize>n) << 2), n, d * s);
      subtract(g, h + ((<usize>other * <usize>n) << 2), n, e * load<f32>(scratch + p));
      steps(n, level, g, scratch, up, down);
      changed = true;
    }
  }
  return changed;
}

/** The storable scale nearest to s * factor; s where that is no scale. */
// @ts-ignore: decorator
@inline
function rescaled(s: f32, factor: f64, half: i32): f32 {
  const x = <f64>s * factor;
  if (!(x > 0) || x > FLOAT_MAX) return s;
  const f = <f32>x;
  return f == 0 ? s : half ? nearestHalf(f) : f;
}

/** The best scale of a row that has one. hw: w H. */
function refitRow(n: i32, hw: usize, level: usize, g: usize, scale: usize, half: i32): bool {
  const s = load<f32>(scale);
  let num: f64 = 0;
  let den: f64 = 0;
  for (let o: usize = 0; o < <usize>n << 2; o += 4) {
    const v = <f64>load<f32>(level + o);
    num += v * <f64>load<f32>(g + o);
    den += v * <f64>(load<f32>(hw + o) - load<f32>(g + o));
  }
  if (!(den > 0)) return false;
  const made = rescaled(s, 1 + num / den, half);
  const d = <f64>made / <f64>s - 1;
  if (made == s || !(d * (2 * num - d * den) > 0)) return false;
  const f = <f32>d;
  for (let o: usize = 0; o < <usize>n << 2; o += 4)
    store<f32>(g + o, load<f32>(g + o) - f * (load<f32>(hw + o) - load<f32>(g + o)));
  store<f32>(scale, made);
  return true;
}

/** The best scale of each block in turn, the others as they are. */
function refitBlocks(
  h: usize,
  n: i32,
  level: usize,
  g: usize,
  scales: usize,
  blocks: usize,
  half: i32,
  y: usize,
): bool {
  let changed = false;
  for (let first = 0; first < n; ) {
    const block = load<i32>(blocks + (<usize>first << 2));
    let end = first + 1;
    while (end < n && load<i32>(blocks + (<usize>end << 2)) == block) end++;
    const at = scales + (<usize>block << 2);
    const s = load<f32>(at);
    memory.fill(y, 0, <usize>n << 2);
    for (let j = first; j < end; j++) {
      const v = load<f32>(level + (<usize>j << 2)) * s;
      if (v != 0) subtract(y, h + ((<usize>j * <usize>n) << 2), n, -v);
    }
    let num: f64 = 0;
    let den: f64 = 0;
    for (let j = first; j < end; j++) {
      const o = <usize>j << 2;
      const v = <f64>(load<f32>(level + o) * s);
      num += v * <f64>load<f32>(g + o);
      den += v * <f64>load<f32>(y + o);
    }
    first = end;
    if (!(den > 0)) continue;
    const made = rescaled(s, 1 + num / den, half);
    const d = <f64>made / <f64>s - 1;
    if (made == s || !(d * (2 * num - d * den) > 0)) continue;
    subtract(g, y, n, <f32>d);
    store<f32>(at, made);
    changed = true;
  }
  return changed;
}

export function descend(
  h: usize,
  n: i32,
  rows: i32,
  w: usize,
  hw: usize,
  levels: usize,
  g: usize,
  scales: usize,
  zeros: usize,
  perRow: i32,
  blocks: usize,
  top: i32,
  sweeps: i32,
  pairs: i32,
  refit: i32,
  half: i32,
  errors: usize,
  scratch: usize,
): void {
  const row = <usize>n << 2;
  const units = <usize>perRow << 2;
  const y = scratch + 16 * padded(n);
  const row4 = padded(n) << 2;
  for (let j = 0; j < n; j++)
    store<f32>(scratch + 6 * row4 + (<usize>j << 2), load<f32>(h + ((<usize>j * <usize>(n + 1)) << 2)));
  for (let r = 0; r < rows; r++) {
    let passes = pairs;
    for (let turn = 0; turn < TURNS; turn++) {
      columns(n, scales, zeros, blocks, top, scratch);
      for (let i = 0; i < sweeps; i++) {
        if (sweep(h, n, levels, g, scratch)) continue;
        if (passes-- <= 0 || !sweepPairs(h, n, levels, g, scratch, y, y + row4)) break;
      }
      if (!refit || turn == TURNS - 1) break;
      const moved =
        perRow == 1
          ? refitRow(n, hw, levels, g, scales, half)
          : refitBlocks(h, n, levels, g, scales, blocks, half, y);
      if (!moved) break;
    }
    let error: f64 = 0;
    for (let j = 0; j < n; j++) {
      const o = <usize>j << 2;
      const s = load<f32>(scales + (<usize>load<i32>(blocks + o) << 2));
      error += <f64>(load<f32>(w + o) - load<f32>(levels + o) * s) * <f64>load<f32>(g + o);
    }
    store<f64>(errors + (<usize>r << 3), max<f64>(error, 0));
    w += row;
    hw += row;
    levels += row;
    g += row;
    scales += units;
    zeros += units;
  }
}
