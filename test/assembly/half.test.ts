import { test } from 'uvu';
import { loadWasm, random } from '../helpers.ts';
import { eachSkew, LENGTHS, same } from './bench.ts';

const wasm = await loadWasm();
const { k } = wasm;

/** Value of binary16 bits by the definition. */
function halfValue(h: number): number {
  const sign = h & 0x8000 ? -1 : 1;
  const e = (h >> 10) & 31;
  const m = h & 1023;
  if (e === 31) return m ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return sign * (e === 0 ? m * 2 ** -24 : (1024 + m) * 2 ** (e - 25));
}

const ALL = Uint16Array.from({ length: 65536 }, (_, i) => i);

test('f16_to_f32: all 65536', () => {
  eachSkew(wasm, (bench) => {
    const y = bench.f32(65536);
    k.f16_to_f32(bench.put(ALL), 65536, y.ptr);
    same(y.read(), Array.from(ALL, halfValue), 'f16_to_f32');
  });
});

test('f32_to_f16: all 65536 come back; NaN stays NaN', () => {
  eachSkew(wasm, (bench) => {
    const x = Float32Array.from(ALL, halfValue);
    const y = bench.u16(65536);
    k.f32_to_f16(bench.put(x), 65536, y.ptr);
    const found = y.read();
    same(Array.from(found, halfValue), x, 'f32_to_f16');
    const numbers = Array.from(ALL).filter((h) => !Number.isNaN(halfValue(h)));
    same(
      numbers.map((h) => found[h]!),
      numbers,
      'f32_to_f16 bits',
    );
  });
});

/** Nearest of the finite halves and of 65536, standing for infinity; ties to the even one: by bisection over the magnitudes. */
function roundToHalf(x: number): number {
  const a = Math.abs(x);
  const sign = x < 0 || Object.is(x, -0) ? 0x8000 : 0;
  const magnitude = (h: number) => (h === 0x7c00 ? 65536 : halfValue(h));
  let lo = 0;
  let hi = 0x7c00;
  if (a >= 65536) return sign | hi;
  while (hi - lo > 1) {
    const mid = (lo + hi) >> 1;
    if (magnitude(mid) <= a) lo = mid;
    else hi = mid;
  }
  const below = a - magnitude(lo);
  const above = magnitude(hi) - a;
  return sign | (below < above || (below === above && lo % 2 === 0) ? lo : hi);
}

test('f32_to_f16: midpoints and their neighbours, overflow, subnormals, every length', () => {
  const next = random(9);
  const values: number[] = [];
  for (let i = 0; i < 3000; i++) {
    const h = Math.floor(next() * 0x7c00);
    const mid = (halfValue(h) + (h + 1 === 0x7c00 ? 65536 : halfValue(h + 1))) / 2;
    values.push(mid, mid * (1 + 2 ** -23), mid * (1 - 2 ** -23), -mid);
  }
  values.push(
    65504,
    65519.99,
    65520,
    65536,
    1e10,
    2 ** -25,
    2 ** -25 * 1.0000002,
    2 ** -26,
    1e-45,
    0,
    -0,
    Number.POSITIVE_INFINITY,
  );
  for (let i = 0; i < 2000; i++) values.push((next() * 2 - 1) * 2 ** (next() * 45 - 28));
  const x = Float32Array.from(values);
  eachSkew(wasm, (bench) => {
    const y = bench.u16(x.length);
    k.f32_to_f16(bench.put(x), x.length, y.ptr);
    same(y.read(), Array.from(x, roundToHalf), 'f32_to_f16');
  });
  for (const n of LENGTHS) {
    eachSkew(wasm, (bench) => {
      const y = bench.u16(n);
      k.f32_to_f16(bench.put(x.subarray(0, n)), n, y.ptr);
      same(y.read(), Array.from(x.subarray(0, n), roundToHalf), `f32_to_f16 n=${n}`);
      const z = bench.f32(n);
      k.f16_to_f32(y.ptr, n, z.ptr);
      same(z.read(), Array.from(y.read(), halfValue), `f16_to_f32 n=${n}`);
    });
  }
});

test.run();
