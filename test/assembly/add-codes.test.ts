import { test } from 'uvu';
import { loadWasm, random } from '../helpers.ts';
import { Bench, LENGTHS, same } from './bench.ts';

const wasm = await loadWasm();

const TYPES = [
  { array: Uint8Array, out: 'u8', lo: 0, hi: 255 },
  { array: Int8Array, out: 'i8', lo: -128, hi: 127 },
] as const;

/** Ties to even, as IEEE 754 rounds to integers. */
function roundEven(v: number): number {
  const low = Math.floor(v);
  if (v - low !== 0.5) return Math.round(v);
  return low % 2 === 0 ? low : low + 1;
}

test('add_codes is decoding, adding and encoding', () => {
  for (const a of [0, 1] as const)
    for (const b of [0, 1] as const)
      for (const type of [0, 1] as const)
        for (const n of LENGTHS) {
          const next = random(n + 2 * a + b);
          const bench = new Bench(wasm);
          const draw = (t: 0 | 1) => {
            const codes = new TYPES[t].array(n);
            for (let i = 0; i < n; i++) codes[i] = TYPES[t].lo + Math.floor(256 * next());
            return codes;
          };
          const [x, y] = [draw(a), draw(b)];
          const [za, zb, zero] = [a ? -3 : 120, b ? 5 : 0, type ? -7 : 11];
          // Scales that are powers of two make ties.
          const [sa, sb, s] = n % 2 ? [0.5, 0.25, 0.5] : [0.037, 0.021, 0.05].map(Math.fround);
          const [lo, hi] = n % 3 ? [TYPES[type].lo, TYPES[type].hi] : [zero, 60];
          const out = bench[TYPES[type].out](n);
          wasm.k.add_codes(bench.put(x), a, za, sa!, bench.put(y), b, zb, sb!, n, s!, type, zero, lo, hi, out.ptr);
          const expected = Array.from(x, (c, i) => {
            const sum = Math.fround(Math.fround((c - za) * sa!) + Math.fround((y[i]! - zb) * sb!));
            return Math.min(Math.max(roundEven(Math.fround(sum / s!)) + zero, lo), hi);
          });
          same(out.read(), expected, `types ${a} ${b} ${type} n ${n}`);
          bench.dispose();
        }
});

test('add_codes: scales that make no number give the zero point', () => {
  const bench = new Bench(wasm);
  const out = bench.u8(17);
  const x = bench.put(new Uint8Array(17));
  wasm.k.add_codes(x, 0, 0, Infinity, x, 0, 0, 1, 17, 1, 0, 9, 0, 255, out.ptr);
  same(out.read(), new Array<number>(17).fill(9), 'NaN');
  bench.dispose();
});

test('i32_to_f32', () => {
  for (const n of LENGTHS) {
    const next = random(n);
    const bench = new Bench(wasm);
    const x = Int32Array.from({ length: n }, (_, i) => (i === 0 ? -(2 ** 31) : Math.floor((next() - 0.5) * 2 ** 32)));
    const y = bench.f32(n);
    wasm.k.i32_to_f32(bench.put(x), n, y.ptr);
    same(y.read(), Array.from(x, Math.fround), `n ${n}`);
    bench.dispose();
  }
});

test.run();
