/** Images padded once, and their receptive fields written straight into the panels that the matrix product reads. */

/** y [planes, hp, wp]: x [planes, h, w] at row pt and column pl, zeros around it. */
export function pad_planes(x: usize, planes: i32, h: i32, w: i32, pt: i32, pl: i32, hp: i32, wp: i32, y: usize): void {
  const row = <usize>w << 2;
  const left = <usize>pl << 2;
  const right = <usize>(wp - pl - w) << 2;
  const above = (<usize>pt * <usize>wp) << 2;
  const below = (<usize>(hp - pt - h) * <usize>wp) << 2;
  for (let p = 0; p < planes; p++) {
    memory.fill(y, 0, above);
    y += above;
    for (let i = 0; i < h; i++, x += row) {
      for (let j: usize = 0; j < left; j += 4) store<f32>(y + j, 0);
      y += left;
      copy_floats(x, y, w);
      y += row;
      for (let j: usize = 0; j < right; j += 4) store<f32>(y + j, 0);
      y += right;
    }
    memory.fill(y, 0, below);
    y += below;
  }
}

// @ts-ignore: decorator
@inline
function copy_floats(x: usize, y: usize, n: i32): void {
  let i = 0;
  for (; i + 4 <= n; i += 4, x += 16, y += 16) v128.store(y, v128.load(x));
  for (; i < n; i++, x += 4, y += 4) store<f32>(y, load<f32>(x));
}

/**
 * The matrix [depth, n] whose element (k, j) is x[rows[k] + columns[j]], in panels of 8 columns (gemm-pack.ts): i32 offsets in
 * floats. Columns `step` apart are read as vectors where step is 1 or 2.
 */
export function pack_fields(x: usize, rows: usize, depth: i32, columns: usize, n: i32, step: i32, out: usize): void {
  for (let j = 0; j < n; j += 8, columns += 32) {
    const base = x + (<usize>load<i32>(columns) << 2);
    const kind = n - j < 8 ? 0 : even(columns, step) ? step : 0;
    if (kind == 1) {
      for (let k = 0; k < depth; k++, out += 32) {
        const p = base + (<usize>load<i32>(rows + (<usize>k << 2)) << 2);
        v128.store(out, v128.load(p));
        v128.store(out, v128.load(p, 16), 16);
      }
    } else if (kind == 2) {
      // Loads that end at the last float wanted.
      for (let k = 0; k < depth; k++, out += 32) {
        const p = base + (<usize>load<i32>(rows + (<usize>k << 2)) << 2);
        v128.store(out, v128.shuffle<f32>(v128.load(p), v128.load(p, 12), 0, 2, 5, 7));
        v128.store(out, v128.shuffle<f32>(v128.load(p, 32), v128.load(p, 44), 0, 2, 5, 7), 16);
      }
    } else if (n - j < 8) {
      for (let k = 0; k < depth; k++, out += 32) {
        const p = x + (<usize>load<i32>(rows + (<usize>k << 2)) << 2);
        v128.store(out, f32x4.splat(0));
        v128.store(out, f32x4.splat(0), 16);
        for (let i: usize = 0; i < <usize>(n - j); i++) {
          store<f32>(out + (i << 2), load<f32>(p + (<usize>load<i32>(columns + (i << 2)) << 2)));
        }
      }
    } else {
      gather(x, rows, depth, columns, out);
      out += <usize>depth << 5;
    }
  }
}

/** True for 8 columns `step` apart, a step of 1 or 2. */
function even(columns: usize, step: i32): bool {
  if (step != 1 && step != 2) return false;
  const first = load<i32>(columns);
  for (let i = 1; i < 8; i++) {
    if (load<i32>(columns + (<usize>i << 2)) != first + i * step) return false;
  }
  return true;
}

/** Eight columns anywhere. */
function gather(x: usize, rows: usize, depth: i32, columns: usize, out: usize): void {
  const x0 = x + (<usize>load<i32>(columns) << 2);
  const x1 = x + (<usize>load<i32>(columns, 4) << 2);
  const x2 = x + (<usize>load<i32>(columns, 8) << 2);
  const x3 = x + (<usize>load<i32>(columns, 12) << 2);
  const x4 = x + (<usize>load<i32>(columns, 16) << 2);
  const x5 = x + (<usize>load<i32>(columns, 20) << 2);
  const x6 = x + (<usize>load<i32>(columns, 24) << 2);
  const x7 = x + (<usize>load<i32>(columns, 28) << 2);
  for (let k = 0; k < depth; k++, out += 32) {
    const o = <usize>load<i32>(rows + (<usize>k << 2)) << 2;
    store<f32>(out, load<f32>(x0 + o));
    store<f32>(out, load<f32>(x1 + o), 4);
    store<f32>(out, load<f32>(x2 + o), 8);
    store<f32>(out, load<f32>(x3 + o), 12);
    store<f32>(out, load<f32>(x4 + o), 16);
    store<f32>(out, load<f32>(x5 + o), 20);
    store<f32>(out, load<f32>(x6 + o), 24);
    store<f32>(out, load<f32>(x7 + o), 28);
  }
}
