import { test } from 'uvu';
import { loadWasm, normals, random } from '../helpers.ts';
import { Bench, LENGTHS, same } from './bench.ts';

const wasm = await loadWasm();

const TYPES = [
  { array: Uint8Array, out: 'u8', lo: 0, hi: 255 },
  { array: Int8Array, out: 'i8', lo: -128, hi: 127 },
  { array: Uint16Array, out: 'u16', lo: 0, hi: 65535 },
  { array: Int16Array, out: 'i16', lo: -32768, hi: 32767 },
] as const;

/** Ties to even, as IEEE 754 rounds to integers. */
function roundEven(v: number): number {
  const low = Math.floor(v);
  if (v - low !== 0.5) return Math.round(v);
  return low % 2 === 0 ? low : low + 1;
}

test('codes_to_f32', () => {
  for (const [type, { array, lo, hi }] of TYPES.entries())
    for (const n of LENGTHS)
      for (const zero of [0, lo, hi, 3]) {
        const next = random(n + 7 * type);
        const bench = new Bench(wasm);
        const codes = new array(n);
        for (let i = 0; i < n; i++) codes[i] = lo + Math.floor(next() * (hi - lo + 1));
        const scale = Math.fround(0.037);
        const y = bench.f32(n);
        wasm.k.codes_to_f32(bench.put(codes), n, type, zero, scale, y.ptr);
        const expected = Array.from<number, number>(codes, (c) => Math.fround((c - zero) * scale));
        same(y.read(), expected, `type ${type} n ${n} zero ${zero}`);
        bench.dispose();
      }
});

test('f32_to_codes and i32_to_codes', () => {
  for (const [type, { out, lo, hi }] of TYPES.entries())
    for (const n of [...LENGTHS, 4111])
      for (const [low, high, zero] of [
        [lo, hi, lo],
        [lo, hi, 7],
        [lo < 0 ? -8 : 0, lo < 0 ? 7 : 15, 1],
      ] as const) {
        const bench = new Bench(wasm);
        const x = normals(n, random(n + 3), type < 2 ? 3 : 900);
        // Ties, ends, and what is no number.
        [0.25, 0.75, 1e30, -1e30, Number.NaN, Number.POSITIVE_INFINITY].forEach((v, i) => {
          if (i < n) x[(i * 5) % n] = v;
        });
        const code = (q: number) => (Number.isNaN(q) ? zero : Math.min(Math.max(roundEven(q) + zero, low), high));
        const codes = bench[out](n);
        wasm.k.f32_to_codes(bench.put(x), n, type, zero, 0.5, low, high, codes.ptr);
        const what = `type ${type} n ${n} ${low}..${high}`;
        same(
          codes.read(),
          Array.from(x, (v) => code(Math.fround(v / 0.5))),
          what,
        );
        const sums = Int32Array.from(x, (v) => Math.min(Math.max(v, -2), 2) * 2 ** 30);
        const factor = Math.fround(type < 2 ? 1e-7 : 3e-5);
        const from = bench[out](n);
        wasm.k.i32_to_codes(bench.put(sums), n, type, zero, factor, low, high, from.ptr);
        same(
          from.read(),
          Array.from(sums, (v) => code(Math.fround(Math.fround(v) * factor))),
          `${what} of sums`,
        );
        bench.dispose();
      }
});

test.run();
