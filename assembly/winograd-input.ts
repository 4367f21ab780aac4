/** Images to the points of their tiles, in two passes: down the rows of tiles, then along them. */
import { input_four, input_two } from './winograd-transform';

/** Six rows of n floats, `row` bytes apart, transformed downwards into six lines. Reads and writes may run over by three floats. */
function rows_four(x: usize, row: usize, n: i32, lines: usize, line: usize): void {
  const x1 = x + row;
  const x2 = x1 + row;
  const x3 = x2 + row;
  const x4 = x3 + row;
  const x5 = x4 + row;
  for (let i: usize = 0; i < <usize>n << 2; i += 16) {
    input_four(
      v128.load(x + i),
      v128.load(x1 + i),
      v128.load(x2 + i),
      v128.load(x3 + i),
      v128.load(x4 + i),
      v128.load(x5 + i),
      lines + i,
      line,
    );
  }
}

/**
 * A line of 4 tiles + 2 floats transformed along: four tiles at a time become lanes, whose six results are written `vs` bytes apart.
 * Reads may run over by 28 floats, writes by three lanes.
 */
function line_four(line: usize, tiles: i32, v: usize, vs: usize): void {
  let a = v128.load(line);
  let b = v128.load(line, 16);
  let c = v128.load(line, 32);
  let d = v128.load(line, 48);
  let ab = v128.shuffle<f32>(a, b, 0, 4, 1, 5);
  let cd = v128.shuffle<f32>(c, d, 0, 4, 1, 5);
  let d0 = v128.shuffle<i64>(ab, cd, 0, 2);
  let d1 = v128.shuffle<i64>(ab, cd, 1, 3);
  for (let g = 0; g < tiles; g += 4, v += 16) {
    ab = v128.shuffle<f32>(a, b, 2, 6, 3, 7);
    cd = v128.shuffle<f32>(c, d, 2, 6, 3, 7);
    const d2 = v128.shuffle<i64>(ab, cd, 0, 2);
    const d3 = v128.shuffle<i64>(ab, cd, 1, 3);
    line += 64;
    a = v128.load(line);
    b = v128.load(line, 16);
    c = v128.load(line, 32);
    d = v128.load(line, 48);
    ab = v128.shuffle<f32>(a, b, 0, 4, 1, 5);
    cd = v128.shuffle<f32>(c, d, 0, 4, 1, 5);
    const n0 = v128.shuffle<i64>(ab, cd, 0, 2);
    const n1 = v128.shuffle<i64>(ab, cd, 1, 3);
    input_four(
      d0,
      d1,
      d2,
      d3,
      v128.shuffle<f32>(d0, n0, 1, 2, 3, 4),
      v128.shuffle<f32>(d1, n1, 1, 2, 3, 4),
      v,
      vs,
    );
    d0 = n0;
    d1 = n1;
  }
}

/** Four rows of n floats to four lines, as rows_four. */
function rows_two(x: usize, row: usize, n: i32, lines: usize, line: usize): void {
  const x1 = x + row;
  const x2 = x1 + row;
  const x3 = x2 + row;
  for (let i: usize = 0; i < <usize>n << 2; i += 16) {
    input_two(v128.load(x + i), v128.load(x1 + i), v128.load(x2 + i), v128.load(x3 + i), lines + i, line);
  }
}

/** A line of 2 tiles + 2 floats transformed along, as line_four. Reads may run over by 14 floats. */
function line_two(line: usize, tiles: i32, v: usize, vs: usize): void {
  let a = v128.load(line);
  let b = v128.load(line, 16);
  let d0 = v128.shuffle<f32>(a, b, 0, 2, 4, 6);
  let d1 = v128.shuffle<f32>(a, b, 1, 3, 5, 7);
  for (let g = 0; g < tiles; g += 4, v += 16) {
    line += 32;
    a = v128.load(line);
    b = v128.load(line, 16);
    const n0 = v128.shuffle<f32>(a, b, 0, 2, 4, 6);
    const n1 = v128.shuffle<f32>(a, b, 1, 3, 5, 7);
    input_two(d0, d1, v128.shuffle<f32>(d0, n0, 1, 2, 3, 4), v128.shuffle<f32>(d1, n1, 1, 2, 3, 4), v, vs);
    d0 = n0;
    d1 = n1;
  }
}

/** Tiles [t, t + tiles) of every channel of x [n, c, hp, wp] into V [points, c, ...], points `vs` and rows `ld` bytes apart. */
export function transform_in(
  side: i32,
  x: usize,
  c: i32,
  hp: i32,
  wp: i32,
  down: i32,
  across: i32,
  t: i32,
  tiles: i32,
  v: usize,
  vs: usize,
  ld: usize,
  lines: usize,
  line: usize,
): void {
  const plane = (<usize>hp * <usize>wp) << 2;
  const row = <usize>wp << 2;
  const width = <usize>(side + 2);
  for (let ch = 0; ch < c; ch++, v += ld) {
    let done = 0;
    let image = t / (across * down);
    let ty = (t / across) % down;
    let tx = t % across;
    while (done < tiles) {
      const run = min(across - tx, tiles - done);
      const place = (<usize>(side * ty) * <usize>wp + <usize>(side * tx)) << 2;
      const from = x + (<usize>image * <usize>c + <usize>ch) * plane + place;
      const to = v + (<usize>done << 2);
      if (side == 4) {
        rows_four(from, row, 4 * run + 2, lines, line);
        for (let a: usize = 0; a < 6; a++) line_four(lines + a * line, run, to + a * width * vs, vs);
      } else {
        rows_two(from, row, 2 * run + 2, lines, line);
        for (let a: usize = 0; a < 4; a++) line_two(lines + a * line, run, to + a * width * vs, vs);
      }
      done += run;
      tx = 0;
      if (++ty == down) {
        ty = 0;
        image++;
      }
    }
  }
}
