import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { loadWasm, normals, random } from '../helpers.ts';
import { Bench, close, same } from './bench.ts';

const wasm = await loadWasm();
const { k } = wasm;
/** Outputs of a panel. */
const ROWS = Math.ceil(60 / k.winograd_panels(60));

interface Problem {
  /** Places of a side of a tile. */
  readonly side: 2 | 4;
  readonly n: number;
  readonly c: number;
  readonly m: number;
  readonly oh: number;
  readonly ow: number;
  /** Rows and columns of x behind the last that a tile reads. */
  readonly more?: number;
  readonly bias?: boolean;
  readonly residual?: boolean;
  readonly low?: number;
  readonly high?: number;
}

interface Data extends Problem {
  readonly hp: number;
  readonly wp: number;
  readonly x: Float32Array;
  readonly w: Float32Array;
  readonly b: Float32Array;
  readonly r: Float32Array;
}

/** Padded images with values in their padding too, which then belongs to the image: rows and columns beyond it are NaN. */
function dataOf(p: Problem, seed = 5): Data {
  const next = random(seed + p.c * 7 + p.m * 3 + p.oh * 31 + p.ow);
  const hp = p.side * Math.ceil(p.oh / p.side) + 2 + (p.more ?? 0);
  const wp = p.side * Math.ceil(p.ow / p.side) + 2 + (p.more ?? 0);
  const x = normals(p.n * p.c * hp * wp, next);
  const w = normals(p.m * p.c * 9, next);
  return { ...p, hp, wp, x, w, b: normals(p.m, next), r: normals(p.n * p.m * p.oh * p.ow, next) };
}

/** Sums in double of every output before bias, residual and bounds. */
function sums({ n, c, m, oh, ow, hp, wp, x, w }: Data): Float64Array {
  const y = new Float64Array(n * m * oh * ow);
  for (let i = 0, at = 0; i < n; i++)
    for (let f = 0; f < m; f++)
      for (let oy = 0; oy < oh; oy++)
        for (let ox = 0; ox < ow; ox++, at++) {
          let sum = 0;
          for (let ch = 0; ch < c; ch++)
            for (let t = 0; t < 9; t++) {
              const place = ((i * c + ch) * hp + oy + Math.floor(t / 3)) * wp + ox + (t % 3);
              sum += x[place]! * w[(f * c + ch) * 9 + t]!;
            }
          y[at] = sum;
        }
  return y;
}

function finished(d: Data, y: Float64Array): Float64Array {
  const places = d.oh * d.ow;
  return y.map((v, i) => {
    const sum = v + (d.bias ? d.b[Math.floor(i / places) % d.m]! : 0) + (d.residual ? d.r[i]! : 0);
    return Math.min(d.high ?? Infinity, Math.max(d.low ?? -Infinity, sum));
  });
}

/** Parts of the tiles and of the panels. */
type Cut = readonly [from: number, to: number, panel: number, end: number];

function whole({ side, n, m, oh, ow }: Problem): Cut {
  return [0, n * Math.ceil(oh / side) * Math.ceil(ow / side), 0, k.winograd_panels(m)];
}

/** What the kernel makes, part by part, each with scratch of its own that is filled with NaN; and what each part said. */
function run(d: Data, cuts: readonly Cut[] = [whole(d)]): { y: Float32Array; flags: number[] } {
  const bench = new Bench(wasm, 0);
  const { side, c, m, oh, ow } = d;
  const image = bench.f32(d.x.length + 32);
  // What may be read behind the images is anything.
  wasm.arena.f32(image.ptr, d.x.length + 32).fill(NaN);
  wasm.arena.f32(image.ptr, d.x.length).set(d.x);
  const u = bench.u8(k.winograd_filter_bytes(side, m, c));
  k.winograd_filter(side, bench.put(d.w), m, c, u.ptr, 0, k.winograd_panels(m), bench.scratch(2048));
  const y = bench.f32(d.n * m * oh * ow);
  const bias = d.bias ? bench.put(d.b) : 0;
  const residual = d.residual ? bench.put(d.r) : 0;
  const flags = cuts.map((cut) => {
    const scratch = bench.u8(k.winograd_scratch(side, c));
    wasm.arena.u8(scratch.ptr, k.winograd_scratch(side, c)).fill(0xff);
    const finish = [bias, residual, d.low ?? -Infinity, d.high ?? Infinity] as const;
    k.winograd(side, image.ptr, c, d.hp, d.wp, u.ptr, m, oh, ow, ...finish, y.ptr, ...cut, scratch.ptr);
    scratch.read();
    return wasm.arena.i32(scratch.ptr, 1)[0]!;
  });
  image.read();
  u.read();
  const made = y.read();
  bench.dispose();
  return { y: made, flags };
}

const SHAPES: readonly Omit<Problem, 'side'>[] = [
  { n: 1, c: 1, m: 1, oh: 1, ow: 1 },
  { n: 1, c: 1, m: 1, oh: 4, ow: 4, bias: true },
  { n: 2, c: 3, m: 7, oh: 5, ow: 6, bias: true, residual: true },
  { n: 1, c: 16, m: 17, oh: 7, ow: 7, residual: true },
  { n: 3, c: 17, m: 5, oh: 3, ow: 9, bias: true, low: 0, more: 3 },
  { n: 1, c: 5, m: 12, oh: 13, ow: 2, low: -1, high: 1, more: 1 },
  { n: 9, c: 4, m: 6, oh: 7, ow: 7, bias: true },
  { n: 2, c: 4, m: 11, oh: 21, ow: 30, residual: true, low: 0, high: 6 },
  { n: 1, c: 60, m: 6, oh: 29, ow: 33, bias: true },
  { n: 1, c: 130, m: 10, oh: 14, ow: 14 },
  { n: 1, c: 2, m: 300, oh: 12, ow: 24 },
];
const SIDES = [2, 4] as const;
const PROBLEMS: readonly Problem[] = SHAPES.flatMap((p) => SIDES.map((side) => ({ ...p, side })));

test('winograd is the convolution, over tiles that reach over every edge and every block', () => {
  for (const p of PROBLEMS) {
    const d = dataOf(p);
    const { y, flags } = run(d);
    close(y, finished(d, sums(d)), { relative: 1e-5, absolute: 4e-6 * Math.sqrt(9 * p.c) }, JSON.stringify(p));
    assert.equal(flags, [0]);
  }
});

test('winograd: parts give the bits of the whole, however tiles and panels are cut', () => {
  for (const p of PROBLEMS) {
    const d = dataOf(p);
    const expected = run(d).y;
    const [, tiles, , panels] = whole(p);
    const next = random(p.m + p.oh);
    const third = Math.floor(tiles * next());
    same(
      run(d, [
        [0, third, 0, panels],
        [third, tiles, 0, panels],
      ]).y,
      expected,
      `${JSON.stringify(p)}: tiles up to ${third}`,
    );
    const cuts = Array.from({ length: panels }, (_, i): Cut => [0, tiles, i, i + 1]);
    same(run(d, cuts).y, expected, `${JSON.stringify(p)}: panel by panel`);
  }
});

test('winograd: no error more than ten times that of plain sums', () => {
  for (const [c, oh] of [
    [16, 28],
    [64, 14],
    [256, 8],
    [512, 7],
  ] as const)
    for (const positive of [false, true]) {
      const d = dataOf({ side: 4, n: 1, c, m: 6, oh, ow: oh });
      // Activations behind a Relu, and weights of one sign, which nothing cancels.
      if (positive) for (const v of [d.x, d.w]) v.forEach((value, i) => (v[i] = Math.abs(value)));
      const exact = sums(d);
      const plain = exact.map((_, at) => {
        const [f, oy, ox] = [Math.floor(at / (oh * oh)), Math.floor(at / oh) % oh, at % oh];
        let sum = 0;
        for (let ch = 0; ch < c; ch++)
          for (let t = 0; t < 9; t++) {
            const place = (ch * d.hp + oy + Math.floor(t / 3)) * d.wp + ox + (t % 3);
            sum = Math.fround(sum + Math.fround(d.x[place]! * d.w[(f * c + ch) * 9 + t]!));
          }
        return sum;
      });
      const worst = (y: ArrayLike<number>) => exact.reduce((most, v, i) => Math.max(most, Math.abs(y[i]! - v)), 0);
      const mean = (y: ArrayLike<number>) => Math.sqrt(exact.reduce((sum, v, i) => sum + (y[i]! - v) ** 2, 0));
      const { y } = run(d);
      const two = run({ ...d, side: 2 }).y;
      for (const measure of [worst, mean]) {
        const [error, allowed] = [measure(y), 10 * measure(plain)];
        assert.ok(error <= allowed, `${c} channels: ${measure.name} error ${error}, expected at most ${allowed}`);
        assert.ok(measure(two) <= 2 * measure(plain), `${c} channels: ${measure.name} error ${measure(two)} at side 2`);
      }
    }
});

test('winograd says where a sum is not finite, and only then', () => {
  for (const side of SIDES) says({ side, n: 1, c: 3, m: 7, oh: 9, ow: 10, low: 0, high: 6 });
});

function says(p: Problem): void {
  for (const value of [NaN, Infinity, -Infinity, 3e38])
    for (const [channel, row] of [
      [0, 0],
      [0, 9],
      [1, 1],
    ] as const) {
      const d = dataOf(p);
      const at = (channel * d.hp + row) * d.wp + row;
      d.x[at] = value;
      if (value === 3e38) d.w.fill(2);
      assert.equal(run(d).flags, [1], `${value} at ${at} of x`);
      const e = dataOf(p);
      e.w[at % e.w.length] = value;
      if (value === 3e38) e.x.fill(2);
      assert.equal(run(e).flags, [1], `${value} at ${at} of w`);
    }
  // The residual is added to sums that are known: what it holds is said by it.
  const d = dataOf({ ...p, residual: true, low: -Infinity, high: Infinity });
  d.r[17] = NaN;
  d.r[18] = -Infinity;
  const { y, flags } = run(d);
  assert.equal(flags, [0]);
  assert.ok(Number.isNaN(y[17]));
  assert.is(y[18], -Infinity);
  assert.is(y.filter((v) => !Number.isFinite(v)).length, 2);
}

/** Rows of G: 1, a, a^2 over the product of the differences from the other points; infinity's is g2. */
function matrixOf(points: readonly number[]): number[][] {
  const rows = points.map((a) => {
    const over = points.reduce((d, b) => (a === b ? d : d * (a - b)), 1);
    return [1, a, a * a].map((v) => v / over);
  });
  return [...rows, [0, 0, 1]];
}

/** Those of F(2, 3) are written with the signs of their first row and of infinity's in the input's transform. */
const MATRICES = {
  2: [[1, 0, 0], ...matrixOf([0, 1, -1]).slice(1)],
  4: matrixOf([0, 0.75, -0.75, 1.5, -1.5]),
};

test('winograd_filter: G g G transposed at every point, panels of outputs with zeros behind the last', () => {
  for (const side of SIDES)
    for (const [m, c] of [
      [1, 1],
      [5, 3],
      [6, 2],
      [7, 17],
      [23, 4],
    ] as const)
      filters(side, m, c);
});

function filters(side: 2 | 4, m: number, c: number): void {
  const bench = new Bench(wasm, 0);
  const w = normals(m * c * 9, random(m * c));
  const panels = k.winograd_panels(m);
  assert.is(panels, Math.ceil(m / ROWS));
  const bytes = k.winograd_filter_bytes(side, m, c);
  const [width, G] = [side + 2, MATRICES[side]];
  const step = bytes / width ** 2;
  assert.ok(step >= 4 * panels * c * ROWS && Number.isInteger(step / 4), `${step} bytes a point`);
  const [whole, parts] = [bench.u8(bytes), bench.u8(bytes)];
  const from = bench.put(w);
  const scratch = bench.u8(2048);
  k.winograd_filter(side, from, m, c, whole.ptr, 0, panels, scratch.ptr);
  for (let i = 0; i < panels; i++) k.winograd_filter(side, from, m, c, parts.ptr, i, i + 1, scratch.ptr);
  scratch.read();
  assert.equal(parts.read(), whole.read(), `${m} x ${c}: panel by panel`);
  const made = new Float32Array(whole.read().buffer);
  const found: number[] = [];
  const expected: number[] = [];
  for (let p = 0; p < width ** 2; p++)
    for (let f = 0; f < panels * ROWS; f++)
      for (let ch = 0; ch < c; ch++) {
        found.push(made[(p * step) / 4 + (Math.floor(f / ROWS) * c + ch) * ROWS + (f % ROWS)]!);
        let sum = 0;
        for (let t = 0; t < 9 && f < m; t++) {
          const [row, column] = [G[Math.floor(p / width)]!, G[p % width]!];
          sum += row[Math.floor(t / 3)]! * column[t % 3]! * w[(f * c + ch) * 9 + t]!;
        }
        expected.push(sum);
      }
  close(found, expected, { relative: 1e-6, absolute: 1e-7 }, `side ${side}: ${m} x ${c}`);
  bench.dispose();
}

test.run();
