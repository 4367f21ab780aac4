import { test } from 'uvu';
import { loadWasm, normals, random } from '../helpers.ts';
import { close, eachSkew, LENGTHS, same } from './bench.ts';

const wasm = await loadWasm();
const { k } = wasm;

test('min_max', () => {
  for (const n of LENGTHS) {
    eachSkew(wasm, (bench) => {
      const x = normals(n, random(n));
      const out = bench.f32(2);
      k.min_max(bench.put(x), n, out.ptr);
      same(out.read(), [Math.min(...x), Math.max(...x)], `min_max n=${n}`);
    });
  }
});

test('min_max: NaN anywhere makes both NaN; infinities count', () => {
  for (const n of LENGTHS.filter((v) => v > 0)) {
    eachSkew(wasm, (bench) => {
      const out = bench.f32(2);
      for (let at = 0; at < n; at += 1 + (n >> 5)) {
        const x = normals(n, random(n));
        x[at] = Number.NaN;
        k.min_max(bench.put(x), n, out.ptr);
        same(out.read(), [Number.NaN, Number.NaN], `NaN at ${at} of ${n}`);
        x[at] = Number.NEGATIVE_INFINITY;
        k.min_max(bench.put(x), n, out.ptr);
        same(out.read(), [Math.min(...x), Math.max(...x)], `-Infinity at ${at} of ${n}`);
      }
    });
  }
});

test('histogram: adds up, clamps to the end bins, skips NaN', () => {
  for (const n of LENGTHS)
    for (const bins of [1, 2, 7, 256]) {
      eachSkew(wasm, (bench) => {
        const x = normals(n, random(n));
        if (n > 5) {
          x[0] = Number.NaN;
          x[1] = Number.POSITIVE_INFINITY;
          x[2] = Number.NEGATIVE_INFINITY;
          x[3] = -1;
          x[4] = 1.5;
        }
        const [lo, hi] = [-1, 1.5];
        const counts = new Uint32Array(bins).fill(3);
        const p = bench.put(counts);
        k.histogram(bench.put(x), n, lo, hi, bins, p);
        const expected = counts.slice();
        for (const v of x) {
          if (Number.isNaN(v)) continue;
          const bin = Math.floor((v - lo) * (bins / (hi - lo)));
          expected[Math.max(0, Math.min(bins - 1, bin))]!++;
        }
        same(wasm.arena.u32(p, bins), expected, `histogram n=${n} bins=${bins}`);
      });
    }
});

test('moments: of what is finite; longest row and sample of all', () => {
  const odd = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const [samples, rows] of [
    [1, 1],
    [1, 3],
    [2, 1],
    [3, 2],
  ] as const)
    for (const cols of LENGTHS)
      for (const bad of [0, 0.3, 0.01]) {
        eachSkew(wasm, (bench) => {
          const n = samples * rows * cols;
          const next = random(n);
          const x = normals(n, next, 4);
          for (let i = 0; i < n; i++) if (next() < bad) x[i] = odd[i % 3]!;
          const out = bench.f64(7);
          k.moments(bench.put(x), samples, rows, cols, out.ptr);
          const finite = Array.from(x).filter(Number.isFinite);
          const squareOf = (part: Float32Array) => part.reduce((s, v) => s + v * v, 0);
          const longest = (count: number) => {
            const size = n / count;
            const all = Array.from({ length: count }, (_, i) => squareOf(x.subarray(i * size, (i + 1) * size)));
            return all.reduce((most, v) => (v > most ? v : most), 0);
          };
          const expected = [
            finite.length,
            finite.reduce((s, v) => s + v, 0),
            finite.reduce((s, v) => s + v * v, 0),
            Math.min(...finite),
            Math.max(...finite),
            longest(samples * rows),
            longest(samples),
          ];
          close(out.read(), expected, { relative: 1e-13, absolute: 1e-12 }, `moments [${samples}, ${rows}, ${cols}]`);
        });
      }
});

test.run();
