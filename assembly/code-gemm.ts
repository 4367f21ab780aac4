/**
 * Many rows of 8-bit words times panels of codes with scales by block: exact integer sums over every group, scaled and added in
 * float. The words of 4 rows lie in one panel, pair by pair (code_words with a gap of 16), so the register tile is qgemm's.
 */
import { expand, NR, panel_bytes, rows16 } from './panels';

/** Rows of a panel of words. */
const MR = 4;
/** Inner dimension of a block: a widened panel (16 KiB) stays in the first-level cache. */
const KC = 1024;
/** Rows of a block. */
const MC = 64;

const PANEL: usize = KC * NR * 2;
const TILE: usize = MR * NR * 4;

export function code_gemm_scratch(): i32 {
  return <i32>(PANEL + TILE);
}

// @ts-ignore: decorator
@inline
function dot(acc: v128, a: v128, b: v128): v128 {
  return i32x4.add(acc, i32x4.dot_i16x8_s(a, b));
}

/** y [8] += (sum scaleA - zero sumA) s */
// @ts-ignore: decorator
@inline
function put(y: usize, x0: v128, x1: v128, a: usize, sum: usize, s0: v128, s1: v128, zeros: usize): void {
  const scale = v128.load32_splat(a);
  let f0 = f32x4.mul(f32x4.convert_i32x4_s(x0), scale);
  let f1 = f32x4.mul(f32x4.convert_i32x4_s(x1), scale);
  if (zeros) {
    const z = v128.load32_splat(sum);
    f0 = f32x4.sub(f0, f32x4.mul(z, v128.load(zeros)));
    f1 = f32x4.sub(f1, f32x4.mul(z, v128.load(zeros, 16)));
  }
  v128.store(y, f32x4.add(v128.load(y), f32x4.mul(f0, s0)));
  v128.store(y, f32x4.add(v128.load(y, 16), f32x4.mul(f1, s1)), 16);
}

/** One group: 4 rows by 8 columns over `pairs` pairs. Scales and sums of the 4 rows are `groups` bytes apart. */
// @ts-ignore: decorator
@inline
function tile(
  pairs: i32,
  a: usize,
  b: usize,
  scalesA: usize,
  sumsA: usize,
  groups: usize,
  s: usize,
  zeros: usize,
  y: usize,
  ldy: usize,
): void {
  let c00 = i32x4.splat(0);
  let c01 = i32x4.splat(0);
  let c10 = i32x4.splat(0);
  let c11 = i32x4.splat(0);
  let c20 = i32x4.splat(0);
  let c21 = i32x4.splat(0);
  let c30 = i32x4.splat(0);
  let c31 = i32x4.splat(0);
  for (; pairs > 0; pairs--) {
    const b0 = v128.load(b);
    const b1 = v128.load(b, 16);
    let r = v128.load32_splat(a);
    c00 = dot(c00, r, b0);
    c01 = dot(c01, r, b1);
    r = v128.load32_splat(a, 4);
    c10 = dot(c10, r, b0);
    c11 = dot(c11, r, b1);
    r = v128.load32_splat(a, 8);
    c20 = dot(c20, r, b0);
    c21 = dot(c21, r, b1);
    r = v128.load32_splat(a, 12);
    c30 = dot(c30, r, b0);
    c31 = dot(c31, r, b1);
    a += 16;
    b += 32;
  }
  const s0 = v128.load(s);
  const s1 = v128.load(s, 16);
  put(y, c00, c01, scalesA, sumsA, s0, s1, zeros);
  put(y + ldy, c10, c11, scalesA + groups, sumsA + groups, s0, s1, zeros);
  put(y + 2 * ldy, c20, c21, scalesA + 2 * groups, sumsA + 2 * groups, s0, s1, zeros);
  put(y + 3 * ldy, c30, c31, scalesA + 3 * groups, sumsA + 3 * groups, s0, s1, zeros);
}

/**
 * Y [m, n] (rows ldy apart) of words in panels of 4 rows (m up to a multiple of 4, k16 pairs of 16 bytes / 2 each), their scales and
 * sums [m up to a multiple of 4, groups], times panels of codes. group: a multiple of 16, at most 1024; otherwise as code_rows.
 */
export function code_gemm(
  m: i32,
  n: i32,
  k: i32,
  group: i32,
  per: i32,
  words: usize,
  scalesA: usize,
  sumsA: usize,
  panels: usize,
  bits: i32,
  scales: usize,
  zeros: usize,
  y: usize,
  ldy: i32,
  scratch: usize,
): void {
  const groups = (k + group - 1) / group;
  const apart = (<usize>groups) << 2;
  const blocks = <usize>((groups + per - 1) / per) << 5;
  const panel = panel_bytes(k, bits);
  const rowPanel = (<usize>rows16(k)) << 3;
  const ly = (<usize>ldy) << 2;
  const edge = scratch + PANEL;
  const kc = (KC / group) * group;
  for (let r = 0; r < m; r++) memory.fill(y + <usize>r * ly, 0, (<usize>n) << 2);
  for (let ic = 0; ic < m; ic += MC) {
    const mc = min(MC, m - ic);
    for (let pc = 0; pc < k; pc += kc) {
      const depth = min(kc, k - pc);
      const first = pc / group;
      for (let j = 0, q: usize = 0; j < n; j += NR, q++) {
        expand(panels + q * panel + <usize>pc * <usize>bits, (rows16(depth) * bits) >> 5, bits, scratch);
        const cols = min(NR, n - j);
        const s = scales + q * blocks;
        for (let i = ic; i < ic + mc; i += MR) {
          const rows = min(MR, m - i);
          const whole = rows == MR && cols == NR;
          const to = y + <usize>i * ly + ((<usize>j) << 2);
          const out = whole ? to : edge;
          const ld = whole ? ly : <usize>(NR << 2);
          if (!whole) memory.fill(edge, 0, TILE);
          const a = words + <usize>(i >> 2) * rowPanel + ((<usize>pc) << 3);
          const o = <usize>i * apart;
          for (let p = 0, g = first; p < depth; p += group, g++) {
            const at = (<usize>(g / per)) << 5;
            tile(
              rows16(min(group, depth - p)) >> 1,
              a + ((<usize>p) << 3),
              scratch + ((<usize>p) << 4),
              scalesA + o + ((<usize>g) << 2),
              sumsA + o + ((<usize>g) << 2),
              apart,
              s + at,
              zeros ? zeros + q * blocks + at : 0,
              out,
              ld,
            );
          }
          if (whole) continue;
          for (let r = 0; r < rows; r++)
            for (let c = 0; c < cols; c++) {
              const at = to + <usize>r * ly + ((<usize>c) << 2);
              store<f32>(at, load<f32>(at) + load<f32>(edge + ((<usize>(r * NR + c)) << 2)));
            }
        }
      }
    }
  }
}
