import { test } from 'uvu';
import { loadWasm, normals, random } from '../helpers.ts';
import { close, eachSkew, LENGTHS, same } from './bench.ts';

const wasm = await loadWasm();
const ROWS = [1, 2, 5];
const COLS = LENGTHS.filter((n) => n > 0);

/** f over each row of x [rows, cols], in f64. */
function byRow(x: Float32Array, cols: number, f: (row: number[]) => number[]): number[] {
  const out: number[] = [];
  for (let i = 0; i < x.length; i += cols) out.push(...f(Array.from(x.subarray(i, i + cols))));
  return out;
}

function softmax(row: number[]): number[] {
  const top = Math.max(...row);
  const e = row.map((v) => Math.exp(v - top));
  const total = e.reduce((s, v) => s + v, 0);
  return e.map((v) => v / total);
}

test('softmax and log_softmax', () => {
  for (const rows of ROWS)
    for (const cols of COLS) {
      eachSkew(wasm, (bench) => {
        const x = normals(rows * cols, random(rows * 300 + cols), 8);
        if (cols > 3) x[1] = Number.NEGATIVE_INFINITY;
        const y = bench.f32(x.length);
        const z = bench.f32(x.length);
        wasm.k.softmax(bench.put(x), y.ptr, rows, cols);
        wasm.k.log_softmax(bench.put(x), z.ptr, rows, cols);
        // Logits up to 50 below the maximum: the difference alone is rounded by 2e-6.
        close(y.read(), byRow(x, cols, softmax), { relative: 4e-6, absolute: 1e-38 }, `softmax ${rows}x${cols}`);
        const logs = byRow(x, cols, (row) => {
          const top = Math.max(...row);
          const total = Math.log(row.reduce((s, v) => s + Math.exp(v - top), 0));
          return row.map((v) => v - top - total);
        });
        close(z.read(), logs, { relative: 1e-6, absolute: 1e-6 }, `log_softmax ${rows}x${cols}`);
      });
    }
});

test('softmax: large logits, NaN and all -Infinity', () => {
  eachSkew(wasm, (bench) => {
    const inf = Number.POSITIVE_INFINITY;
    const x = Float32Array.of(1e38, 1e38, 0, -1e38, 0, Number.NaN, 1, 2, -inf, -inf, -inf, -inf);
    const y = bench.f32(12);
    wasm.k.softmax(bench.put(x), y.ptr, 3, 4);
    const nan = Number.NaN;
    same(y.read(), [0.5, 0.5, 0, 0, nan, nan, nan, nan, nan, nan, nan, nan], 'softmax');
  });
});

test('softmax_scores is softmax of the scores made one by one, in place too', () => {
  for (const rows of ROWS)
    for (const cols of COLS)
      for (const op of [0, 1, 2])
        for (const step of [undefined, 0, cols]) {
          if (op === 0 && step === undefined) continue;
          eachSkew(wasm, (bench) => {
            const next = random(rows * 300 + cols);
            const x = normals(rows * cols, next, 8);
            const mask = normals(rows * cols, next, 3);
            for (let i = 0; i < mask.length; i++) if (next() < 0.2) mask[i] = Number.NEGATIVE_INFINITY;
            if (cols > 4) x[4] = [Number.NaN, Number.POSITIVE_INFINITY, 1e30][cols % 3]!;
            const factor = Math.fround(2.83);
            const scores = x.map((v, i) => {
              const s = Math.fround(op === 0 ? v : op === 1 ? v / factor : v * factor);
              return step === undefined ? s : s + mask[step === 0 ? i % cols : i]!;
            });
            const expected = bench.f32(x.length);
            wasm.k.softmax(bench.put(scores), expected.ptr, rows, cols);
            const at = step === undefined ? 0 : bench.put(mask);
            const y = bench.f32(x.length);
            const px = bench.put(x);
            wasm.k.softmax_scores(px, op, factor, at, step ?? 0, y.ptr, rows, cols);
            const what = `softmax_scores ${rows}x${cols} op ${op} step ${step}`;
            same(y.read(), expected.read(), what);
            wasm.k.softmax_scores(px, op, factor, at, step ?? 0, px, rows, cols);
            same(wasm.arena.f32(px, x.length), expected.read(), `${what} in place`);
          });
        }
});

test('layer_norm and rms_norm, gamma and beta present and absent, in place', () => {
  const eps = Math.fround(1e-5);
  for (const rows of ROWS)
    for (const cols of COLS)
      for (const withGamma of [false, true])
        for (const withBeta of [false, true]) {
          eachSkew(wasm, (bench) => {
            const next = random(rows * 1000 + cols);
            const x = normals(rows * cols, next, 2).map((v) => v + 3);
            const gamma = normals(cols, next);
            const beta = normals(cols, next);
            const g = withGamma ? bench.put(gamma) : 0;
            const b = withBeta ? bench.put(beta) : 0;
            const y = bench.f32(x.length);
            const z = bench.f32(x.length);
            const p = bench.put(x);
            wasm.k.layer_norm(p, g, b, y.ptr, rows, cols, eps);
            wasm.k.rms_norm(p, g, z.ptr, rows, cols, eps);
            const layer = byRow(x, cols, (row) => {
              const mean = row.reduce((s, v) => s + v, 0) / cols;
              const variance = row.reduce((s, v) => s + (v - mean) ** 2, 0) / cols;
              return row.map(
                (v, i) =>
                  ((v - mean) / Math.sqrt(variance + eps)) * (withGamma ? gamma[i]! : 1) + (withBeta ? beta[i]! : 0),
              );
            });
            const rms = byRow(x, cols, (row) => {
              const scale = Math.sqrt(row.reduce((s, v) => s + v * v, 0) / cols + eps);
              return row.map((v, i) => (v / scale) * (withGamma ? gamma[i]! : 1));
            });
            const what = `${rows}x${cols} gamma ${withGamma} beta ${withBeta}`;
            // One column has variance 0: eps alone divides, and magnifies the mean's rounding by 316.
            close(y.read(), layer, { relative: 1e-5, absolute: 2e-5 }, `layer_norm ${what}`);
            close(z.read(), rms, { relative: 2e-6, absolute: 1e-6 }, `rms_norm ${what}`);
            wasm.k.layer_norm(p, g, b, p, rows, cols, eps);
            same(wasm.arena.f32(p, x.length), y.read(), `layer_norm in place ${what}`);
          });
        }
});

test('channel_affine', () => {
  for (const n of ROWS)
    for (const c of [1, 3])
      for (const spatial of COLS) {
        eachSkew(wasm, (bench) => {
          const next = random(n * 1000 + c * 300 + spatial);
          const x = normals(n * c * spatial, next);
          const scale = normals(c, next);
          const shift = normals(c, next);
          const y = bench.f32(x.length);
          wasm.k.channel_affine(bench.put(x), bench.put(scale), bench.put(shift), y.ptr, n, c, spatial);
          const f = Math.fround;
          const expected = x.map((v, i) => {
            const j = Math.floor(i / spatial) % c;
            return f(f(v * scale[j]!) + shift[j]!);
          });
          same(y.read(), expected, `channel_affine ${n}x${c}x${spatial}`);
        });
      }
});

test.run();
