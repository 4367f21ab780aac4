/** Changes of layout for 32-bit elements. */

/** Side of the square tiles: 32 lines of 128 bytes on either side stay in the first-level cache. */
const TILE = 32;

/** Four rows of x, `sx` bytes apart, to four rows of y, `sy` apart, transposed. */
// @ts-ignore: decorator
@inline
export function transpose4x4(x: usize, sx: usize, y: usize, sy: usize): void {
  const a = v128.load(x);
  const b = v128.load(x + sx);
  const c = v128.load(x + 2 * sx);
  const d = v128.load(x + 3 * sx);
  const ab = v128.shuffle<i32>(a, b, 0, 4, 1, 5);
  const cd = v128.shuffle<i32>(c, d, 0, 4, 1, 5);
  const ab2 = v128.shuffle<i32>(a, b, 2, 6, 3, 7);
  const cd2 = v128.shuffle<i32>(c, d, 2, 6, 3, 7);
  v128.store(y, v128.shuffle<i64>(ab, cd, 0, 2));
  v128.store(y + sy, v128.shuffle<i64>(ab, cd, 1, 3));
  v128.store(y + 2 * sy, v128.shuffle<i64>(ab2, cd2, 0, 2));
  v128.store(y + 3 * sy, v128.shuffle<i64>(ab2, cd2, 1, 3));
}

/** x [rows, cols], rows sx bytes apart -> y [cols, rows], rows sy bytes apart. */
function transpose_strided(x: usize, sx: usize, rows: i32, cols: i32, y: usize, sy: usize): void {
  for (let r0 = 0; r0 < rows; r0 += TILE) {
    const r1 = min(rows, r0 + TILE);
    for (let c0 = 0; c0 < cols; c0 += TILE) {
      const c1 = min(cols, c0 + TILE);
      let r = r0;
      for (; r + 4 <= r1; r += 4) {
        let c = c0;
        const from = x + <usize>r * sx;
        const to = y + (<usize>r << 2);
        for (; c + 4 <= c1; c += 4) transpose4x4(from + (<usize>c << 2), sx, to + <usize>c * sy, sy);
        for (; c < c1; c++) {
          const f = from + (<usize>c << 2);
          const t = to + <usize>c * sy;
          store<u32>(t, load<u32>(f));
          store<u32>(t, load<u32>(f + sx), 4);
          store<u32>(t, load<u32>(f + 2 * sx), 8);
          store<u32>(t, load<u32>(f + 3 * sx), 12);
        }
      }
      for (; r < r1; r++) {
        for (let c = c0; c < c1; c++) {
          store<u32>(y + <usize>c * sy + (<usize>r << 2), load<u32>(x + <usize>r * sx + (<usize>c << 2)));
        }
      }
    }
  }
}

export function transpose(x: usize, rows: i32, cols: i32, y: usize): void {
  transpose_strided(x, <usize>cols << 2, rows, cols, y, <usize>rows << 2);
}

/** Floats from which on a run is worth a call of the engine's own copying. */
const LONG = 96;

/** n floats from x to y. */
// @ts-ignore: decorator
@inline
function copy_run(y: usize, x: usize, n: i32): void {
  if (n >= LONG) {
    memory.copy(y, x, <usize>n << 2);
    return;
  }
  let i = 0;
  for (; i + 4 <= n; i += 4) v128.store(y + (<usize>i << 2), v128.load(x + (<usize>i << 2)));
  for (; i < n; i++) store<u32>(y + (<usize>i << 2), load<u32>(x + (<usize>i << 2)));
}

/** Runs of the last dimension are copied, pairs of which the next-to-last runs in x are transposed, the rest goes one by one. */
export function permute4(
  x: usize,
  d0: i32,
  d1: i32,
  d2: i32,
  d3: i32,
  s0: i32,
  s1: i32,
  s2: i32,
  s3: i32,
  y: usize,
): void {
  const run = <usize>d3 << 2;
  const step2 = <usize>s2 << 2;
  const step3 = <usize>s3 << 2;
  for (let i = 0; i < d0; i++) {
    for (let j = 0; j < d1; j++, y += run * <usize>d2) {
      const from = x + ((<usize>i * <usize>s0 + <usize>j * <usize>s1) << 2);
      if (s2 == 1 && s3 != 1) {
        transpose_strided(from, step3, d3, d2, y, run);
      } else if (s3 == 1) {
        for (let k = 0; k < d2; k++) copy_run(y + <usize>k * run, from + <usize>k * step2, d3);
      } else {
        for (let k = 0; k < d2; k++) {
          let f = from + <usize>k * step2;
          let t = y + <usize>k * run;
          for (let l = 0; l < d3; l++, f += step3, t += 4) store<u32>(t, load<u32>(f));
        }
      }
    }
  }
}

/** The opposite of slicing: runs of x, which lie one after the other, each to its place in y. */
export function place4(
  x: usize,
  d0: i32,
  d1: i32,
  d2: i32,
  d3: i32,
  y: usize,
  s0: i32,
  s1: i32,
  s2: i32,
): void {
  const run = <usize>d3 << 2;
  for (let i = 0; i < d0; i++) {
    for (let j = 0; j < d1; j++) {
      let to = y + ((<usize>i * <usize>s0 + <usize>j * <usize>s1) << 2);
      for (let k = 0; k < d2; k++, x += run, to += <usize>s2 << 2) copy_run(to, x, d3);
    }
  }
}
