/** Points of tiles back to places of the result. */
import { finish_line } from './conv-finish';
import { output_four, output_two } from './winograd-transform';

/** Four tiles, whose points lie ms bytes apart, to sixteen places of four lines. square: 24 vectors. */
function back_four(m: usize, ms: usize, square: usize, lines: usize, line: usize): void {
  for (let b: usize = 0; b < 6; b++, m += ms) {
    output_four(
      v128.load(m),
      v128.load(m + 6 * ms),
      v128.load(m + 12 * ms),
      v128.load(m + 18 * ms),
      v128.load(m + 24 * ms),
      v128.load(m + 30 * ms),
      square + 16 * b,
      96,
    );
  }
  for (let a = 0; a < 4; a++, square += 96, lines += line) {
    output_four(
      v128.load(square),
      v128.load(square, 16),
      v128.load(square, 32),
      v128.load(square, 48),
      v128.load(square, 64),
      v128.load(square, 80),
      square,
      16,
    );
    const p = v128.load(square);
    const q = v128.load(square, 16);
    const r = v128.load(square, 32);
    const s = v128.load(square, 48);
    const pq0 = v128.shuffle<f32>(p, q, 0, 4, 1, 5);
    const pq1 = v128.shuffle<f32>(p, q, 2, 6, 3, 7);
    const rs0 = v128.shuffle<f32>(r, s, 0, 4, 1, 5);
    const rs1 = v128.shuffle<f32>(r, s, 2, 6, 3, 7);
    v128.store(lines, v128.shuffle<i64>(pq0, rs0, 0, 2));
    v128.store(lines, v128.shuffle<i64>(pq0, rs0, 1, 3), 16);
    v128.store(lines, v128.shuffle<i64>(pq1, rs1, 0, 2), 32);
    v128.store(lines, v128.shuffle<i64>(pq1, rs1, 1, 3), 48);
  }
}

/** Four tiles to eight places of two lines. square: 8 vectors. */
function back_two(m: usize, ms: usize, square: usize, lines: usize, line: usize): void {
  for (let b: usize = 0; b < 4; b++, m += ms) {
    output_two(
      v128.load(m),
      v128.load(m + 4 * ms),
      v128.load(m + 8 * ms),
      v128.load(m + 12 * ms),
      square + 16 * b,
      64,
    );
  }
  for (let a = 0; a < 2; a++, square += 64, lines += line) {
    output_two(v128.load(square), v128.load(square, 16), v128.load(square, 32), v128.load(square, 48), square, 16);
    const p = v128.load(square);
    const q = v128.load(square, 16);
    v128.store(lines, v128.shuffle<f32>(p, q, 0, 4, 1, 5));
    v128.store(lines, v128.shuffle<f32>(p, q, 2, 6, 3, 7), 16);
  }
}

/**
 * M [points, count, ...] of filters [r, r + count), points `ms` and rows `ld` bytes apart, to their results in y [n, m, oh, ow].
 * @returns lanes of NaN where a sum is not finite, lanes of 0 elsewhere
 */
export function transform_out(
  side: i32,
  mm: usize,
  ms: usize,
  ld: usize,
  down: i32,
  across: i32,
  t: i32,
  tiles: i32,
  r: i32,
  count: i32,
  m: i32,
  oh: i32,
  ow: i32,
  bias: usize,
  residual: usize,
  low: f32,
  high: f32,
  y: usize,
  lines: usize,
  line: usize,
): v128 {
  const square = lines + 4 * line;
  let bad = f32x4.splat(0);
  for (let f = r; f < r + count; f++, mm += ld) {
    const own: f32 = bias ? load<f32>(bias + (<usize>f << 2)) : 0;
    let done = 0;
    let image = t / (across * down);
    let ty = (t / across) % down;
    let tx = t % across;
    while (done < tiles) {
      const run = min(across - tx, tiles - done);
      for (let g = 0; g < run; g += 4) {
        const from = mm + (<usize>(done + g) << 2);
        const to = lines + (<usize>(side * g) << 2);
        if (side == 4) back_four(from, ms, square, to, line);
        else back_two(from, ms, square, to, line);
      }
      const n = min(side * run, ow - side * tx);
      const place = <usize>(side * ty) * <usize>ow + <usize>(side * tx);
      let at = ((<usize>image * <usize>m + <usize>f) * <usize>oh * <usize>ow + place) << 2;
      const rows = min(side, oh - side * ty);
      for (let a = 0; a < rows; a++, at += <usize>ow << 2) {
        const add = residual ? residual + at : 0;
        bad = f32x4.add(bad, finish_line(lines + <usize>a * line, n, own, add, low, high, y + at));
      }
      done += run;
      tx = 0;
      if (++ty == down) {
        ty = 0;
        image++;
      }
    }
  }
  return bad;
}
