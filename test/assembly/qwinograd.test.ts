import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { loadWasm, random } from '../helpers.ts';
import { Bench, same } from './bench.ts';

const wasm = await loadWasm();
const { k } = wasm;

interface Shape {
  readonly n: number;
  readonly c: number;
  readonly m: number;
  readonly h: number;
  readonly w: number;
  readonly signed: 0 | 1;
}

// Odd sizes, tiles over every edge, more tiles, channels and filters than a block holds.
const SHAPES: readonly Shape[] = [
  { n: 1, c: 1, m: 1, h: 1, w: 1, signed: 0 },
  { n: 2, c: 3, m: 5, h: 4, w: 7, signed: 1 },
  { n: 3, c: 2, m: 4, h: 9, w: 5, signed: 0 },
  { n: 1, c: 5, m: 70, h: 19, w: 33, signed: 1 },
  { n: 2, c: 515, m: 3, h: 3, w: 12, signed: 0 },
];

function made({ n, c, m, h, w, signed }: Shape) {
  const next = random(n + c + m + h + w);
  const codes = (size: number, negative: boolean) =>
    Int32Array.from({ length: size }, () => Math.floor(256 * next()) - (negative ? 128 : 0));
  const x = codes(n * c * h * w, signed === 1);
  const f = codes(m * c * 9, signed === 0);
  const [zeroX, zeroW] = [signed ? -5 : 130, signed ? 128 : -3];
  const sums = new Int32Array(n * m * h * w);
  for (let i = 0; i < n; i++)
    for (let r = 0; r < m; r++)
      for (let y = 0; y < h; y++)
        for (let z = 0; z < w; z++) {
          let sum = 0;
          for (let ch = 0; ch < c; ch++)
            for (let a = 0; a < 3; a++)
              for (let b = 0; b < 3; b++) {
                const [p, q] = [y + a - 1, z + b - 1];
                if (p < 0 || p >= h || q < 0 || q >= w) continue;
                const left = x[((i * c + ch) * h + p) * w + q]! - zeroX;
                sum += left * (f[(r * c + ch) * 9 + 3 * a + b]! - zeroW);
              }
          sums[((i * m + r) * h + y) * w + z] = sum;
        }
  return { x, f, zeroX, zeroW, sums };
}

/** Of a shape: padded image and filters in memory, and what runs some tiles and panels. */
function prepared(s: Shape, bench: Bench) {
  const { n, c, m, h, w, signed } = s;
  const d = made(s);
  const [down, across] = [Math.ceil(h / 2), Math.ceil(w / 2)];
  const [hp, wp] = [2 * down + 2, 2 * across + 2];
  const image = bench.scratch(n * c * hp * wp + 32);
  k.pad_bytes(bench.put(Uint8Array.from(d.x)), n * c, h, w, 1, 1, hp, wp, d.zeroX & 255, image);
  const u = bench.u8(k.qwinograd_filter_bytes(m, c));
  k.qwinograd_filter(bench.put(Uint8Array.from(d.f)), m, c, 1 - signed, d.zeroW, u.ptr);
  u.read();
  const scratch = bench.u8(k.qwinograd_scratch(c));
  type Finish = readonly [bias: number, factors: number, type: number, zero: number, lo: number, hi: number];
  const run = (finish: Finish, y: number, cut: readonly [number, number, number, number]) => {
    k.qwinograd(image, c, hp, wp, signed, d.zeroX, u.ptr, m, h, w, ...finish, y, ...cut, scratch.ptr);
    scratch.read();
  };
  return { ...d, run, tiles: n * down * across, panels: k.qwinograd_panels(m) };
}

const SUMS = [0, 0, 0, 0, 0, 0] as const;

test('qwinograd is the convolution, to the last bit', () => {
  for (const s of SHAPES) {
    const bench = new Bench(wasm);
    const { run, sums, tiles, panels } = prepared(s, bench);
    const y = bench.i32(sums.length);
    run(SUMS, y.ptr, [0, tiles, 0, panels]);
    same(y.read(), [...sums], JSON.stringify(s));
    bench.dispose();
  }
});

test('qwinograd: in parts as in one piece, codes as requantize makes them', () => {
  for (const s of SHAPES)
    for (const type of [0, 1] as const) {
      const bench = new Bench(wasm);
      const { run, sums, tiles, panels } = prepared(s, bench);
      const next = random(s.m);
      const bias = Int32Array.from({ length: s.m }, () => Math.floor(5000 * (next() - 0.5)));
      const factors = Float32Array.from({ length: s.m }, () => 0.002 * next());
      if (s.m > 2) factors[1] = Number.NaN;
      const coding = [type, type ? -4 : 9, type ? -100 : 0, type ? 127 : 250] as const;
      const at = [bench.put(bias), bench.put(factors)] as const;
      const places = s.h * s.w;
      const expected = bench.u8(sums.length);
      const from = bench.put(sums);
      for (let i = 0; i < s.n; i++) {
        const o = i * s.m * places;
        k.requantize(from + 4 * o, s.m, places, places, 1, ...at, ...coding, expected.ptr + o, places);
      }
      const y = bench.u8(sums.length);
      const [half, middle] = [Math.floor(tiles / 2), Math.ceil(panels / 2)];
      for (const t of [
        [0, half],
        [half, tiles],
      ] as const)
        for (const p of [
          [0, middle],
          [middle, panels],
        ] as const)
          run([...at, ...coding], y.ptr, [...t, ...p]);
      same(y.read(), [...expected.read()], `${JSON.stringify(s)} type ${type}`);
      bench.dispose();
    }
});

test('qwinograd: sums whose steps wrap come out whole', () => {
  const bench = new Bench(wasm);
  const [c, size] = [900, 2];
  const image = bench.scratch(c * 16 + 32);
  k.pad_bytes(bench.put(new Uint8Array(c * 4).fill(255)), c, size, size, 1, 1, 4, 4, 0, image);
  const u = bench.u8(k.qwinograd_filter_bytes(1, c));
  k.qwinograd_filter(bench.put(new Uint8Array(c * 9).fill(255)), 1, c, 0, 0, u.ptr);
  const y = bench.i32(4);
  const scratch = bench.u8(k.qwinograd_scratch(c));
  k.qwinograd(image, c, 4, 4, 0, 0, u.ptr, 1, size, size, ...SUMS, y.ptr, 0, 1, 0, 1, scratch.ptr);
  assert.equal([...y.read()], new Array<number>(4).fill(4 * c * 255 * 255));
  bench.dispose();
});

test('pad_bytes', () => {
  for (const [planes, h, w, pt, pl, hp, wp] of [
    [1, 1, 1, 0, 0, 1, 1],
    [2, 3, 37, 1, 2, 6, 41],
    [3, 2, 16, 0, 1, 2, 20],
    [1, 0, 0, 1, 1, 2, 3],
  ] as const) {
    const bench = new Bench(wasm);
    const x = Uint8Array.from({ length: planes * h * w }, (_, i) => i + 1);
    const y = bench.u8(planes * hp * wp);
    k.pad_bytes(bench.put(x), planes, h, w, pt, pl, hp, wp, 200, y.ptr);
    const expected = new Array<number>(planes * hp * wp).fill(200);
    for (let p = 0; p < planes; p++)
      for (let i = 0; i < h; i++)
        for (let j = 0; j < w; j++) expected[(p * hp + pt + i) * wp + pl + j] = x[(p * h + i) * w + j]!;
    same(y.read(), expected, `${planes} planes of ${h}x${w}`);
    bench.dispose();
  }
});

test.run();
