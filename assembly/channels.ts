/** Images of bytes, channels last, and the rows of bytes under a sliding window. */

/** Rows of bytes to columns: out[j * ldo + i] = x[i * ldx + j] for i < rows, j < cols. */
export function transpose_bytes(x: usize, rows: i32, cols: i32, ldx: i32, out: usize, ldo: i32): void {
  const lx = <usize>ldx;
  const lo = <usize>ldo;
  let i = 0;
  for (; i + 8 <= rows; i += 8) {
    const from = x + <usize>i * lx;
    const to = out + <usize>i;
    let j = 0;
    for (; j + 8 <= cols; j += 8) {
      const p = from + <usize>j;
      // Bytes of rows 2q and 2q + 1 in turn; then pairs; then fours.
      const a = v128.load64_zero(p);
      const b = v128.load64_zero(p + lx);
      const c = v128.load64_zero(p + 2 * lx);
      const d = v128.load64_zero(p + 3 * lx);
      const e = v128.load64_zero(p + 4 * lx);
      const f = v128.load64_zero(p + 5 * lx);
      const g = v128.load64_zero(p + 6 * lx);
      const h = v128.load64_zero(p + 7 * lx);
      const ab = v128.shuffle<u8>(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
      const cd = v128.shuffle<u8>(c, d, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
      const ef = v128.shuffle<u8>(e, f, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
      const gh = v128.shuffle<u8>(g, h, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
      const abcd0 = v128.shuffle<u16>(ab, cd, 0, 8, 1, 9, 2, 10, 3, 11);
      const abcd1 = v128.shuffle<u16>(ab, cd, 4, 12, 5, 13, 6, 14, 7, 15);
      const efgh0 = v128.shuffle<u16>(ef, gh, 0, 8, 1, 9, 2, 10, 3, 11);
      const efgh1 = v128.shuffle<u16>(ef, gh, 4, 12, 5, 13, 6, 14, 7, 15);
      const q0 = v128.shuffle<u32>(abcd0, efgh0, 0, 4, 1, 5);
      const q1 = v128.shuffle<u32>(abcd0, efgh0, 2, 6, 3, 7);
      const q2 = v128.shuffle<u32>(abcd1, efgh1, 0, 4, 1, 5);
      const q3 = v128.shuffle<u32>(abcd1, efgh1, 2, 6, 3, 7);
      const o = to + <usize>j * lo;
      v128.store64_lane(o, q0, 0);
      v128.store64_lane(o + lo, q0, 1);
      v128.store64_lane(o + 2 * lo, q1, 0);
      v128.store64_lane(o + 3 * lo, q1, 1);
      v128.store64_lane(o + 4 * lo, q2, 0);
      v128.store64_lane(o + 5 * lo, q2, 1);
      v128.store64_lane(o + 6 * lo, q3, 0);
      v128.store64_lane(o + 7 * lo, q3, 1);
    }
    for (; j < cols; j++)
      for (let r: usize = 0; r < 8; r++) store<u8>(to + <usize>j * lo + r, load<u8>(from + r * lx + <usize>j));
  }
  for (; i < rows; i++)
    for (let j = 0; j < cols; j++) store<u8>(out + <usize>j * lo + <usize>i, load<u8>(x + <usize>i * lx + <usize>j));
}

/** n bytes, from the first to the last; 16 at a time, the last ones by themselves. */
// @ts-ignore: decorator
@inline
function copy(to: usize, from: usize, n: i32): void {
  let i = 0;
  for (; i + 16 <= n; i += 16) v128.store(to + <usize>i, v128.load(from + <usize>i));
  if (i + 8 <= n) {
    store<u64>(to + <usize>i, load<u64>(from + <usize>i));
    i += 8;
  }
  if (i + 4 <= n) {
    store<u32>(to + <usize>i, load<u32>(from + <usize>i));
    i += 4;
  }
  for (; i < n; i++) store<u8>(to + <usize>i, load<u8>(from + <usize>i));
}

/** Rows of taps * bytes: row i is, tap after tap, the bytes at x + places[i] + taps[t]. places: i32 [rows], offsets: i32 [taps]. */
export function gather_bytes(x: usize, places: usize, rows: i32, offsets: usize, taps: i32, bytes: i32, out: usize): void {
  const end = offsets + ((<usize>taps) << 2);
  for (let i = 0; i < rows; i++) {
    const from = x + <usize>load<i32>(places + ((<usize>i) << 2));
    for (let t = offsets; t < end; t += 4, out += <usize>bytes) copy(out, from + <usize>load<i32>(t), bytes);
  }
}
