import { test } from 'uvu';
import { loadWasm, normals, random } from '../helpers.ts';
import { Bench, close, LENGTHS, same } from './bench.ts';

const wasm = await loadWasm();
const next = random(5);

test('gate', () => {
  for (const n of LENGTHS) {
    const bench = new Bench(wasm);
    const x = normals(n, next);
    const dy = normals(n, next);
    if (n > 5) x.set([0, 0.5, Number.NaN, -1, 1], 0);
    const dx = bench.f32(n);
    wasm.k.gate(bench.put(x), bench.put(dy), dx.ptr, n, -1, 0.5, 3, -0.25);
    same(
      dx.read(),
      dy.map((g, i) => g * (x[i]! > -1 && x[i]! <= 0.5 ? 3 : -0.25)),
      `gate of ${n}`,
    );
    bench.dispose();
  }
});

/** Softmax of a row in f64. */
function softmax(row: Float32Array): number[] {
  const e = Array.from(row, (v) => Math.exp(v));
  const sum = e.reduce((a, b) => a + b, 0);
  return e.map((v) => v / sum);
}

test('softmax_gradient and log_softmax_gradient against sums in f64', () => {
  for (const cols of LENGTHS) {
    const rows = 3;
    const bench = new Bench(wasm);
    const x = normals(rows * cols, next);
    const dy = normals(rows * cols, next);
    const row = (t: Float32Array, r: number) => t.subarray(r * cols, (r + 1) * cols);
    const p = Float32Array.from(Array.from({ length: rows }, (_, r) => softmax(row(x, r))).flat());
    const [soft, log] = [bench.f32(rows * cols), bench.f32(rows * cols)];
    const [at, g] = [bench.put(p), bench.put(dy)];
    wasm.k.softmax_gradient(at, g, soft.ptr, rows, cols);
    wasm.k.log_softmax_gradient(at, g, log.ptr, rows, cols);
    const expected: { soft: number[]; log: number[] } = { soft: [], log: [] };
    for (let r = 0; r < rows; r++) {
      const [q, d] = [row(p, r), row(dy, r)];
      const dot = q.reduce((s, v, i) => s + v * d[i]!, 0);
      const sum = d.reduce((s, v) => s + v, 0);
      for (let i = 0; i < cols; i++) {
        expected.soft.push(q[i]! * (d[i]! - dot));
        expected.log.push(d[i]! - q[i]! * sum);
      }
    }
    close(soft.read(), expected.soft, { absolute: 1e-5 }, `softmax_gradient of ${cols}`);
    close(log.read(), expected.log, { absolute: 1e-5 }, `log_softmax_gradient of ${cols}`);
    bench.dispose();
  }
});

test('norm_gradient, centred and not, with and without gamma, against the formula in f64', () => {
  const eps = 1e-3;
  for (const cols of LENGTHS.filter((n) => n > 0))
    for (const centre of [0, 1])
      for (const scaled of [false, true]) {
        const rows = 2;
        const bench = new Bench(wasm);
        const x = normals(rows * cols, next);
        const dy = normals(rows * cols, next);
        const gamma = normals(cols, next);
        const dx = bench.f32(rows * cols);
        wasm.k.norm_gradient(
          bench.put(x),
          scaled ? bench.put(gamma) : 0,
          bench.put(dy),
          dx.ptr,
          rows,
          cols,
          eps,
          centre,
        );
        const expected: number[] = [];
        for (let r = 0; r < rows; r++) {
          const v = Array.from(x.subarray(r * cols, (r + 1) * cols));
          const g = v.map((_, i) => dy[r * cols + i]! * (scaled ? gamma[i]! : 1));
          const mean = centre ? v.reduce((a, b) => a + b, 0) / cols : 0;
          const deviation = Math.sqrt(v.reduce((a, b) => a + (b - mean) ** 2, 0) / cols + eps);
          const h = v.map((b) => (b - mean) / deviation);
          const a = centre ? g.reduce((s, b) => s + b, 0) / cols : 0;
          const b = g.reduce((s, c, i) => s + c * h[i]!, 0) / cols;
          for (let i = 0; i < cols; i++) expected.push((g[i]! - a - h[i]! * b) / deviation);
        }
        close(
          dx.read(),
          expected,
          { absolute: 5e-4, relative: 1e-4 },
          `norm_gradient of ${cols}, ${centre}, ${scaled}`,
        );
        bench.dispose();
      }
});

test('channel_dots and weighted_squares add in f64 over every layout', () => {
  for (const [n, places, channels, inner] of [
    [1, 1, 1, 1],
    [2, 3, 5, 1],
    [3, 2, 8, 1],
    [2, 1, 3, 7],
    [3, 2, 2, 4],
    [1, 4, 6, 9],
    [2, 0, 3, 5],
  ] as const) {
    const bench = new Bench(wasm);
    const size = n * places * channels * inner;
    const [a, b] = [normals(size, next), normals(size, next)];
    const [pa, pb] = [bench.put(a), bench.put(b)];
    const dots = bench.f64(n * channels);
    const squares = bench.f64(channels + 1);
    wasm.arena.f64(dots.ptr, n * channels).fill(2);
    wasm.arena.f64(squares.ptr, channels + 1).fill(-1);
    wasm.k.channel_dots(pa, pb, n, places, channels, inner, dots.ptr);
    const energies = bench.f32(inner);
    wasm.k.weighted_squares(pa, pb, n * places, channels, inner, energies.ptr, squares.ptr);
    energies.read();
    const expected = { dots: new Array(n * channels).fill(2), squares: new Array(channels + 1).fill(-1) };
    const at = (i: number, j: number, k: number, l: number) => ((i * places + j) * channels + k) * inner + l;
    for (let i = 0; i < n; i++)
      for (let j = 0; j < places; j++)
        for (let l = 0; l < inner; l++) {
          let energy = 0;
          for (let k = 0; k < channels; k++) energy += b[at(i, j, k, l)]! ** 2;
          expected.squares[channels] += energy;
          for (let k = 0; k < channels; k++) {
            expected.dots[i * channels + k] += a[at(i, j, k, l)]! * b[at(i, j, k, l)]!;
            expected.squares[k] += a[at(i, j, k, l)]! ** 2 * energy;
          }
        }
    const what = [n, places, channels, inner].join();
    close(dots.read(), expected.dots, { absolute: 1e-12, relative: 1e-12 }, `channel_dots ${what}`);
    close(squares.read(), expected.squares, { absolute: 1e-5, relative: 1e-6 }, `weighted_squares ${what}`);
    bench.dispose();
  }
});

test('maxpool2d_gradient and sumpool2d_gradient add dy where the window finds its largest, and everywhere', () => {
  const pick = (...options: number[]) => options[Math.floor(next() * options.length)]!;
  let run = 0;
  while (run < 120) {
    const [h, w] = [pick(1, 4, 5, 9), pick(1, 3, 6, 11)];
    const [kh, kw, sh, sw] = [pick(1, 2, 3), pick(1, 2, 4), pick(1, 2, 3), pick(1, 2)];
    const [pt, pl, pb, pr] = [pick(0, 1, 3), pick(0, 2), pick(0, 1), pick(0, 2)];
    const [dh, dw] = [pick(1, 2), pick(1, 3)];
    const oh = Math.floor((h + pt + pb - dh * (kh - 1) - 1) / sh) + 1;
    const ow = Math.floor((w + pl + pr - dw * (kw - 1) - 1) / sw) + 1;
    if (oh < 1 || ow < 1) continue;
    run++;
    const planes = 2;
    const bench = new Bench(wasm);
    // Few values, so that windows hold equal ones.
    const x = Float32Array.from({ length: planes * h * w }, () => Math.floor(next() * 4));
    const dy = normals(planes * oh * ow, next);
    const [most, sum] = [bench.f32(x.length), bench.f32(x.length)];
    for (const out of [most, sum]) wasm.arena.f32(out.ptr, x.length).fill(1);
    const g = [h, w, kh, kw, sh, sw, pt, pl, dh, dw, oh, ow] as const;
    wasm.k.maxpool2d_gradient(bench.put(x), planes, ...g, bench.put(dy), most.ptr);
    wasm.k.sumpool2d_gradient(planes, ...g, bench.put(dy), sum.ptr);
    const expected = { most: new Float32Array(x.length).fill(1), sum: new Float32Array(x.length).fill(1) };
    for (let p = 0, o = 0; p < planes; p++)
      for (let oy = 0; oy < oh; oy++)
        for (let ox = 0; ox < ow; ox++, o++) {
          let best = -1;
          for (let ky = 0; ky < kh; ky++)
            for (let kx = 0; kx < kw; kx++) {
              const [iy, ix] = [oy * sh - pt + ky * dh, ox * sw - pl + kx * dw];
              if (iy < 0 || iy >= h || ix < 0 || ix >= w) continue;
              const at = (p * h + iy) * w + ix;
              expected.sum[at]! += dy[o]!;
              if (best < 0 || x[at]! > x[best]!) best = at;
            }
          if (best >= 0) expected.most[best]! += dy[o]!;
        }
    close(most.read(), expected.most, { absolute: 1e-5 }, `maxpool2d_gradient ${g}`);
    close(sum.read(), expected.sum, { absolute: 1e-5 }, `sumpool2d_gradient ${g}`);
    bench.dispose();
  }
});

test.run();
