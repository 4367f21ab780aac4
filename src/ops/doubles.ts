import * as math from '../math.ts';
import type { Wasm } from '../wasm/wasm.ts';
import type { RealKernels } from './precision.ts';

/** The kernels on doubles: the same arguments and meaning as in `Kernels`, in plain loops. Double models are rare. */

const TABLES = new WeakMap<Wasm, RealKernels>();

export function doubleKernels(wasm: Wasm): RealKernels {
  let table = TABLES.get(wasm);
  if (table === undefined) {
    table = makeTable(wasm);
    TABLES.set(wasm, table);
  }
  return table;
}

/** Calls body(image row, column row, from, to, shift) for every line a window reads; column i of a line is image i * sw + shift. */
function lines(
  c: number,
  [h, w, kh, kw, sh, sw, pt, pl, dh, dw, oh, ow]: readonly number[],
  body: (image: number, line: number, first: number, last: number, shift: number) => void,
  ld: number,
): void {
  for (let ic = 0, r = 0; ic < c; ic++)
    for (let ky = 0; ky < kh!; ky++)
      for (let kx = 0; kx < kw!; kx++, r++) {
        const shift = kx * dw! - pl!;
        const first = Math.min(ow!, shift < 0 ? Math.ceil(-shift / sw!) : 0);
        const last = Math.max(first, Math.min(ow!, w! > shift ? Math.floor((w! - shift - 1) / sw!) + 1 : 0));
        for (let oy = 0; oy < oh!; oy++) {
          const iy = oy * sh! - pt! + ky * dh!;
          const there = iy >= 0 && iy < h!;
          body((ic * h! + iy) * w!, r * ld + oy * ow!, there ? first : ow!, there ? last : ow!, shift);
        }
      }
}

function makeTable(wasm: Wasm): RealKernels {
  const f64 = (ptr: number, n: number) => wasm.arena.f64(ptr, n);
  const unary = (f: (v: number) => number) => (x: number, y: number, n: number) => {
    const a = f64(x, n);
    const out = f64(y, n);
    for (let i = 0; i < n; i++) out[i] = f(a[i]!);
  };
  const pair = (f: (a: number, b: number) => number) => (a: number, b: number, y: number, n: number) => {
    const xs = f64(a, n);
    const zs = f64(b, n);
    const out = f64(y, n);
    for (let i = 0; i < n; i++) out[i] = f(xs[i]!, zs[i]!);
  };
  /** A row at a time, whatever f makes of it. */
  const rowwise =
    (f: (x: Float64Array, y: Float64Array) => void) => (x: number, y: number, rows: number, cols: number) => {
      for (let r = 0; r < rows; r++) f(f64(x + 8 * r * cols, cols), f64(y + 8 * r * cols, cols));
    };
  const normalize = (
    x: Float64Array,
    y: Float64Array,
    mean: number,
    variance: number,
    gamma: number,
    beta: number,
    eps: number,
  ) => {
    const n = x.length;
    const scale = 1 / Math.sqrt(variance + eps);
    const g = gamma ? f64(gamma, n) : undefined;
    const b = beta ? f64(beta, n) : undefined;
    for (let i = 0; i < n; i++) y[i] = (x[i]! - mean) * scale * (g?.[i] ?? 1) + (b?.[i] ?? 0);
  };
  const gemm: RealKernels['gemm'] = (ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc) => {
    const A = f64(a, m && k && (ta ? (k - 1) * lda + m : (m - 1) * lda + k));
    const B = f64(b, n && k && (tb ? (n - 1) * ldb + k : (k - 1) * ldb + n));
    for (let i = 0; i < m; i++) {
      const row = f64(c + 8 * i * ldc, n);
      for (let j = 0; j < n; j++) row[j] = beta === 0 ? 0 : beta * row[j]!;
      if (tb)
        for (let j = 0; j < n; j++) {
          let sum = 0;
          for (let p = 0; p < k; p++) sum += A[ta ? p * lda + i : i * lda + p]! * B[j * ldb + p]!;
          row[j]! += alpha * sum;
        }
      else
        for (let p = 0; p < k; p++) {
          const f = alpha * A[ta ? p * lda + i : i * lda + p]!;
          for (let j = 0, q = p * ldb; j < n; j++, q++) row[j]! += f * B[q]!;
        }
    }
  };
  return {
    gemm,
    gemm_fused: (ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc, bias, kind, residual, ldr, low, high) => {
      gemm(ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc, 0);
      if (kind === 0 && residual === 0 && low === Number.NEGATIVE_INFINITY && high === Number.POSITIVE_INFINITY) return;
      const own = kind === 0 ? undefined : f64(bias, kind === 1 ? n : m);
      const other = residual === 0 || m === 0 ? undefined : f64(residual, (m - 1) * ldr + n);
      for (let i = 0; i < m; i++) {
        const row = f64(c + 8 * i * ldc, n);
        for (let j = 0; j < n; j++) {
          const v = row[j]! + (own?.[kind === 1 ? j : i] ?? 0) + (other?.[i * ldr + j] ?? 0);
          row[j] = Math.min(Math.max(v, low), high);
        }
      }
    },
    im2col: (x, c, h, w, kh, kw, sh, sw, pt, pl, dh, dw, oh, ow, out, ldo) => {
      const a = f64(x, c * h * w);
      const y = f64(out, (c * kh * kw - 1) * ldo + oh * ow);
      const each = (image: number, line: number, first: number, last: number, shift: number) => {
        y.fill(0, line, line + ow);
        for (let i = first; i < last; i++) y[line + i] = a[image + i * sw + shift]!;
      };
      lines(c, [h, w, kh, kw, sh, sw, pt, pl, dh, dw, oh, ow], each, ldo);
    },
    col2im: (columns, ldc, c, h, w, kh, kw, sh, sw, pt, pl, dh, dw, oh, ow, x) => {
      const a = f64(columns, (c * kh * kw - 1) * ldc + oh * ow);
      const y = f64(x, c * h * w);
      const each = (image: number, line: number, first: number, last: number, shift: number) => {
        for (let i = first; i < last; i++) y[image + i * sw + shift]! += a[line + i]!;
      };
      lines(c, [h, w, kh, kw, sh, sw, pt, pl, dh, dw, oh, ow], each, ldc);
    },
    maxpool2d: (x, planes, h, w, kh, kw, sh, sw, pt, pl, dh, dw, oh, ow, y) =>
      pool(
        f64,
        x,
        planes,
        [h, w, kh, kw, sh, sw, pt, pl, dh, dw, oh, ow],
        y,
        (v, best) => Math.max(v, best),
        -Infinity,
      ),
    avgpool2d: (x, planes, h, w, kh, kw, sh, sw, pt, pl, dh, dw, oh, ow, padded, y) =>
      pool(
        f64,
        x,
        planes,
        [h, w, kh, kw, sh, sw, pt, pl, dh, dw, oh, ow],
        y,
        (v, total) => v + total,
        0,
        (n) => (padded ? kh * kw : Math.max(n, 1)),
      ),
    add: pair((a, b) => a + b),
    sub: pair((a, b) => a - b),
    mul: pair((a, b) => a * b),
    add_row: (a, b, y, rows, cols) => {
      const zs = f64(b, cols).slice();
      rowwise((x, out) => {
        for (let j = 0; j < cols; j++) out[j] = x[j]! + zs[j]!;
      })(a, y, rows, cols);
    },
    add_col: (a, b, y, rows, cols) => {
      const zs = f64(b, rows).slice();
      let r = 0;
      rowwise((x, out) => {
        for (let j = 0; j < cols; j++) out[j] = x[j]! + zs[r]!;
        r++;
      })(a, y, rows, cols);
    },
    mul_scalar: (a, s, y, n) => unary((v) => v * s)(a, y, n),
    add_scalar: (a, s, y, n) => unary((v) => v + s)(a, y, n),
    exp: unary(math.exp),
    log: unary(math.log),
    abs: unary(Math.abs),
    relu: unary((v) => Math.max(v, 0)),
    sigmoid: unary((v) => 1 / (1 + math.exp(-v))),
    tanh: unary(math.tanh),
    clip: (x, y, n, lo, hi) => unary((v) => Math.min(Math.max(v, lo), hi))(x, y, n),
    permute4: (x, d0, d1, d2, d3, s0, s1, s2, s3, y) => {
      const a = f64(x, (d0 - 1) * s0 + (d1 - 1) * s1 + (d2 - 1) * s2 + (d3 - 1) * s3 + 1);
      const out = f64(y, d0 * d1 * d2 * d3);
      let at = 0;
      for (let i = 0; i < d0; i++)
        for (let j = 0; j < d1; j++)
          for (let k = 0; k < d2; k++) for (let l = 0; l < d3; l++) out[at++] = a[i * s0 + j * s1 + k * s2 + l * s3]!;
    },
    layer_norm: (x, gamma, beta, y, rows, cols, eps) =>
      rowwise((a, out) => {
        let sum = 0;
        for (const v of a) sum += v;
        const mean = sum / cols;
        let squares = 0;
        for (const v of a) squares += (v - mean) * (v - mean);
        normalize(a, out, mean, squares / cols, gamma, beta, eps);
      })(x, y, rows, cols),
    rms_norm: (x, gamma, y, rows, cols, eps) =>
      rowwise((a, out) => {
        let squares = 0;
        for (const v of a) squares += v * v;
        normalize(a, out, 0, squares / cols, gamma, 0, eps);
      })(x, y, rows, cols),
    channel_affine: (x, scale, shift, y, n, c, spatial) => {
      const s = f64(scale, c);
      const b = f64(shift, c);
      let r = 0;
      rowwise((a, out) => {
        const [f, o] = [s[r % c]!, b[r % c]!];
        for (let i = 0; i < spatial; i++) out[i] = a[i]! * f + o;
        r++;
      })(x, y, n * c, spatial);
    },
    reduce_rows_mean: (x, rows, cols, y) => {
      const out = f64(y, rows);
      for (let r = 0; r < rows; r++) out[r] = f64(x + 8 * r * cols, cols).reduce((s, v) => s + v, 0) / cols;
    },
    reduce_rows_max: (x, rows, cols, y) => {
      const out = f64(y, rows);
      for (let r = 0; r < rows; r++) out[r] = f64(x + 8 * r * cols, cols).reduce((m, v) => Math.max(m, v), -Infinity);
    },
  };
}

/** Every window of every plane gathered by `take`, divided by what `count` makes of the number of elements inside the image. */
function pool(
  f64: (ptr: number, n: number) => Float64Array,
  x: number,
  planes: number,
  [h, w, kh, kw, sh, sw, pt, pl, dh, dw, oh, ow]: readonly number[],
  y: number,
  take: (v: number, sofar: number) => number,
  start: number,
  count: (inside: number) => number = () => 1,
): void {
  const a = f64(x, planes * h! * w!);
  const out = f64(y, planes * oh! * ow!);
  let at = 0;
  for (let p = 0; p < planes; p++)
    for (let oy = 0; oy < oh!; oy++)
      for (let ox = 0; ox < ow!; ox++) {
        let sofar = start;
        let inside = 0;
        const [y0, y1] = within(oy * sh! - pt!, dh!, kh!, h!);
        const [x0, x1] = within(ox * sw! - pl!, dw!, kw!, w!);
        for (let ky = y0; ky < y1; ky++)
          for (let kx = x0; kx < x1; kx++, inside++)
            sofar = take(a[(p * h! + oy * sh! - pt! + ky * dh!) * w! + ox * sw! - pl! + kx * dw!]!, sofar);
        out[at++] = sofar / count(inside);
      }
}

/** Taps of a window from `start` on that lie in [0, n): from the first to past the last. */
function within(start: number, dilation: number, kernel: number, n: number): [number, number] {
  const first = start < 0 ? Math.ceil(-start / dilation) : 0;
  return [first, Math.min(kernel, Math.ceil((n - start) / dilation))];
}
