import fc from 'fast-check';
import { test } from 'uvu';
import { loadWasm, normals, random } from '../helpers.ts';
import { Bench, close, eachSkew, LENGTHS, same } from './bench.ts';

const wasm = await loadWasm();
const { k } = wasm;
const f = Math.fround;
const WIDTHS = [2, 3, 4, 5, 6, 7, 8, 16];

/** Ties to even. */
function roundeven(x: number): number {
  const low = Math.floor(x);
  const d = x - low;
  return d < 0.5 || (d === 0.5 && low % 2 === 0) ? low : low + 1;
}

function code(w: number, scale: number, zero: number, qmin: number, qmax: number): number {
  if (scale === 0 || Number.isNaN(w)) return zero;
  const q = f(w / scale);
  if (q === Number.POSITIVE_INFINITY) return qmax;
  if (q === Number.NEGATIVE_INFINITY) return qmin;
  return Math.min(qmax, Math.max(qmin, roundeven(q) + zero));
}

interface Layout {
  rows: number;
  cols: number;
  block: number;
}

const SHAPES: Layout[] = [];
for (const n of [...LENGTHS, 4111]) SHAPES.push({ rows: 1, cols: n, block: Math.max(n, 1) });
for (const cols of [1, 5, 16, 33, 64]) for (const block of [1, 3, 16, 32]) SHAPES.push({ rows: 3, cols, block });

function sample(s: Layout, bits: number, seed: number) {
  const next = random(seed);
  const blocks = Math.ceil(s.cols / s.block);
  const w = normals(s.rows * s.cols, next);
  const scales = Float32Array.from({ length: s.rows * blocks }, () => f((0.5 + next()) * 2 ** (2 - bits)));
  if (scales.length > 2) scales[1] = 0;
  const zeros = bits <= 8 ? new Uint8Array(scales.length) : new Uint16Array(scales.length);
  for (let i = 0; i < zeros.length; i++) zeros[i] = Math.floor(next() * 2 ** bits);
  const blockOf = (i: number) => Math.floor(i / s.cols) * blocks + Math.floor((i % s.cols) / s.block);
  // Exact halves of the scale, weights far outside, and what is no number.
  for (let i = 0; i < w.length; i++) {
    const scale = scales[blockOf(i)]!;
    const dice = next();
    if (dice < 0.2) w[i] = (Math.floor(next() * 8) - 4 + 0.5) * scale;
    else if (dice < 0.25) w[i] = (next() < 0.5 ? -1 : 1) * 1e30;
    else if (dice < 0.3) w[i] = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, -0][i % 4]!;
  }
  return { w, scales, zeros, blockOf };
}

for (const bits of WIDTHS) {
  const top = 2 ** bits - 1;
  for (const symmetric of [1, 0]) {
    test(`quantize, dequantize and fake_quantize: ${bits} bits, ${symmetric ? 'symmetric' : 'zero points'}`, () => {
      for (const s of SHAPES) {
        eachSkew(wasm, (bench) => {
          const { w, scales, zeros, blockOf } = sample(s, bits, s.cols * 31 + s.block);
          const what = `${bits} bits ${JSON.stringify(s)}`;
          const zeroOf = (i: number) => (symmetric ? 2 ** (bits - 1) : zeros[blockOf(i)]!);
          const expected = Array.from(w, (v, i) => code(v, scales[blockOf(i)]!, zeroOf(i), 0, top));
          const out = bits <= 8 ? bench.u8(w.length) : bench.u16(w.length);
          const [pw, ps, pz] = [bench.put(w), bench.put(scales), symmetric ? 0 : bench.put(zeros)];
          k.quantize_rows(pw, s.rows, s.cols, s.block, ps, pz, bits, symmetric, out.ptr);
          same(out.read(), expected, `quantize_rows ${what}`);
          const values = expected.map((c, i) => f((c - zeroOf(i)) * scales[blockOf(i)]!));
          const y = bench.f32(w.length);
          k.dequantize_rows(out.ptr, s.rows, s.cols, s.block, ps, pz, bits, y.ptr);
          same(y.read(), values, `dequantize_rows ${what}`);
          const z = bench.f32(w.length);
          k.fake_quantize_rows(pw, s.rows, s.cols, s.block, ps, pz, bits, symmetric, z.ptr);
          same(z.read(), values, `fake_quantize_rows ${what}`);
        });
      }
    });
  }

  test(`quantize_error: ${bits} bits`, () => {
    for (const n of LENGTHS)
      for (const [zero, qmin, qmax] of [
        [2 ** (bits - 1), 1, top],
        [3, 0, top],
        [0, 2, top],
      ] as const) {
        eachSkew(wasm, (bench) => {
          const x = normals(n, random(n));
          const scale = f(2.7 * 2 ** -bits);
          const out = bench.f64(1);
          k.quantize_error(bench.put(x), n, scale, zero, qmin, qmax, out.ptr);
          let total = 0;
          for (const v of x) total += f(v - f((code(v, scale, zero, qmin, qmax) - zero) * scale)) ** 2;
          close(out.read(), [total], { relative: 1e-13 }, `quantize_error n=${n} zero=${zero}`);
        });
      }
  });
}

test('quantize_rows: -1.5, -0.5, 0.5, 1.5, 2.5 round to even', () => {
  eachSkew(wasm, (bench) => {
    const out = bench.u8(5);
    k.quantize_rows(
      bench.put(Float32Array.of(-1.5, -0.5, 0.5, 1.5, 2.5)),
      1,
      5,
      5,
      bench.put(Float32Array.of(1)),
      0,
      4,
      1,
      out.ptr,
    );
    same(out.read(), [6, 8, 8, 10, 10], 'codes');
  });
});

test('the values of codes quantize to those codes', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...WIDTHS.filter((b) => b <= 8)),
      fc.uint8Array({ minLength: 1, maxLength: 80 }),
      fc.float({ min: f(1e-6), max: 1000, noNaN: true }),
      fc.nat(255),
      (bits, raw, scale, z) => {
        const bench = new Bench(wasm);
        const c = raw.map((v) => v & (2 ** bits - 1));
        const zeros = bench.put(Uint8Array.of(z & (2 ** bits - 1)));
        const scales = bench.put(Float32Array.of(scale));
        const y = bench.f32(c.length);
        const back = bench.u8(c.length);
        k.dequantize_rows(bench.put(c), 1, c.length, c.length, scales, zeros, bits, y.ptr);
        k.quantize_rows(y.ptr, 1, c.length, c.length, scales, zeros, bits, 0, back.ptr);
        same(back.read(), c, `${bits} bits`);
        bench.dispose();
      },
    ),
    { seed: 2, numRuns: 300 },
  );
});

test.run();
