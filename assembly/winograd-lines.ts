/** The two passes of Winograd's input transform: down the rows of tiles, then along them. */
import { input_transform } from './winograd-transform';

/** Six rows of n floats, `row` bytes apart, transformed downwards into six lines. Reads and writes may run over by three floats. */
export function load_rows(x: usize, row: usize, n: i32, lines: usize, line: usize): void {
  const x1 = x + row;
  const x2 = x1 + row;
  const x3 = x2 + row;
  const x4 = x3 + row;
  const x5 = x4 + row;
  for (let i: usize = 0; i < <usize>n << 2; i += 16) {
    input_transform(
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
export function transpose_lines(line: usize, tiles: i32, v: usize, vs: usize): void {
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
    input_transform(
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
