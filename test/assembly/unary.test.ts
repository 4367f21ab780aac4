import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Unary } from '../../src/wasm/kernels.ts';
import { loadWasm, random } from '../helpers.ts';
import { close, eachSkew, LENGTHS, same } from './bench.ts';

const wasm = await loadWasm();
const f = Math.fround;
const EPS = 2 ** -24;
const TINY = 2 ** -149;

/** erf by its Taylor series up to 3 and the continued fraction of erfc beyond (Abramowitz and Stegun 7.1.6, 7.1.14). */
function erf(x: number): number {
  const a = Math.abs(x);
  if (Number.isNaN(x)) return x;
  if (a > 6) return Math.sign(x);
  if (a < 3) {
    let term = a;
    let total = a;
    for (let k = 1; k < 200; k++) {
      term *= (2 * a * a) / (2 * k + 1);
      total += term;
    }
    return (Math.sign(x) * 2 * Math.exp(-a * a) * total) / Math.sqrt(Math.PI);
  }
  let fraction = a;
  for (let k = 200; k >= 1; k--) fraction = a + k / 2 / fraction;
  return Math.sign(x) * (1 - Math.exp(-a * a) / Math.sqrt(Math.PI) / fraction);
}

interface Case {
  readonly kernel: Unary;
  readonly twin: (x: number) => number;
  /** Allowed error: ulp (half-ulps of 2^-24 relative) and an absolute part. */
  readonly relative: number;
  readonly absolute: number;
}

const { k } = wasm;
const CASES: Record<string, Case> = {
  relu: { kernel: k.relu, twin: (x) => Math.max(x, 0), relative: 0, absolute: TINY / 2 },
  neg: { kernel: k.neg, twin: (x) => -x, relative: 0, absolute: TINY / 2 },
  abs: { kernel: k.abs, twin: Math.abs, relative: 0, absolute: TINY / 2 },
  sqrt: { kernel: k.sqrt, twin: (x) => f(Math.sqrt(x)), relative: 0, absolute: TINY / 2 },
  reciprocal: { kernel: k.reciprocal, twin: (x) => f(1 / x), relative: 0, absolute: TINY / 2 },
  exp: { kernel: k.exp, twin: Math.exp, relative: 4 * EPS, absolute: TINY },
  log: { kernel: k.log, twin: Math.log, relative: 4 * EPS, absolute: 0 },
  erf: { kernel: k.erf, twin: erf, relative: 8 * EPS, absolute: TINY },
  tanh: { kernel: k.tanh, twin: Math.tanh, relative: 8 * EPS, absolute: TINY },
  sigmoid: { kernel: k.sigmoid, twin: (x) => 1 / (1 + Math.exp(-x)), relative: 8 * EPS, absolute: 2 ** -126 },
  gelu: { kernel: k.gelu, twin: (x) => 0.5 * x * (1 + erf(x / Math.SQRT2)), relative: 1e-6, absolute: 1e-6 },
  sin: { kernel: k.sin, twin: Math.sin, relative: 4 * EPS, absolute: EPS },
  cos: { kernel: k.cos, twin: Math.cos, relative: 4 * EPS, absolute: EPS },
  softplus: {
    kernel: k.softplus,
    twin: (x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x))),
    relative: 8 * EPS,
    absolute: TINY,
  },
  mish: { kernel: k.mish, twin: mish, relative: 8 * EPS, absolute: 2 ** -126 },
};

function mish(x: number): number {
  return x * Math.tanh(Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x))));
}

/** Overflow of the exact value beyond f32 is infinite in f32. */
function toF32(x: number): number {
  return Number.isFinite(f(x)) ? x : f(x);
}

/** A sweep of f32 values of every magnitude up to `limit` and both signs, denser around 1. */
function sweep(limit = Number.POSITIVE_INFINITY): Float32Array {
  const next = random(1);
  const values: number[] = [
    0,
    -0,
    1,
    -1,
    88.72,
    88.73,
    89,
    -87.3,
    -87.4,
    -103.9,
    -104,
    -150,
    0.625,
    4,
    3.99,
    9.1,
    -9.1,
    TINY,
    -TINY,
  ];
  for (let e = -149; e < 128; e++)
    for (let i = 0; i < 8; i++) values.push((next() < 0.5 ? -1 : 1) * (1 + next()) * 2 ** e);
  for (let i = 0; i < 20000; i++) values.push((next() * 2 - 1) * 12);
  for (let i = 0; i < 4000; i++) values.push((next() * 2 - 1) * 110);
  return Float32Array.from(values.filter((x) => Math.abs(x) <= limit));
}

for (const [name, { kernel, twin, relative, absolute }] of Object.entries(CASES)) {
  test(`${name}: accuracy over the whole range`, () => {
    eachSkew(wasm, (bench) => {
      const x = sweep(name === 'sin' || name === 'cos' ? 2 ** 20 : undefined);
      const y = bench.f32(x.length);
      kernel(bench.put(x), y.ptr, x.length);
      close(
        y.read(),
        Array.from(x, (v) => toF32(twin(v))),
        { relative, absolute },
        name,
      );
    });
  });

  test(`${name}: infinities and NaN`, () => {
    eachSkew(wasm, (bench) => {
      const x = Float32Array.of(
        Number.NaN,
        Number.POSITIVE_INFINITY,
        Number.NEGATIVE_INFINITY,
        Number.NaN,
        0,
        -0,
        Number.NaN,
      );
      const y = bench.f32(x.length);
      kernel(bench.put(x), y.ptr, x.length);
      const expected = Array.from(x, (v) =>
        (name === 'gelu' || name === 'mish') && v === Number.NEGATIVE_INFINITY ? Number.NaN : twin(v),
      );
      close(y.read(), expected, { relative, absolute }, name);
    });
  });

  test(`${name}: every length, each element as it would be alone, in place too`, () => {
    for (const n of LENGTHS) {
      eachSkew(wasm, (bench) => {
        const next = random(n + 7);
        const x = Float32Array.from({ length: n }, () => (next() * 2 - 1) * 5);
        const y = bench.f32(n);
        const p = bench.put(x);
        kernel(p, y.ptr, n);
        const found = y.read();
        const single = bench.f32(1);
        for (let i = 0; i < n; i++) {
          kernel(p + 4 * i, single.ptr, 1);
          assert.ok(Object.is(single.read()[0], found[i]) || Number.isNaN(found[i]), `${name} n=${n} element ${i}`);
        }
        kernel(p, p, n);
        same(wasm.arena.f32(p, n), found, `${name} in place`);
      });
    }
  });
}

test('elu and swish', () => {
  const x = sweep();
  for (const [alpha, beta] of [
    [1, 1],
    [1.6732632, 1],
    [0.5, 2],
    [0, 1],
  ] as const) {
    eachSkew(wasm, (bench) => {
      const y = bench.f32(x.length);
      k.elu(bench.put(x), y.ptr, x.length, alpha, beta);
      const expected = Array.from(x, (v) => (v > 0 ? v : f(alpha) * Math.expm1(beta * v)));
      close(y.read(), expected, { relative: 12 * EPS, absolute: 3 * TINY }, `elu ${alpha} ${beta}`);
      const z = bench.f32(x.length);
      k.swish(bench.put(x), z.ptr, x.length, alpha);
      const swish = Array.from(x, (v) => v / (1 + Math.exp(-f(f(alpha) * v))));
      close(z.read(), swish, { relative: 12 * EPS, absolute: 2 ** -120 }, `swish ${alpha}`);
    });
  }
  for (const n of LENGTHS) {
    eachSkew(wasm, (bench) => {
      const part = x.slice(50, 50 + n);
      const y = bench.f32(n);
      k.elu(bench.put(part), y.ptr, n, 1, 1);
      const z = bench.f32(n);
      k.swish(bench.put(part), z.ptr, n, 1);
      const single = bench.f32(1);
      for (let i = 0; i < n; i++) {
        k.elu(bench.put(part.slice(i, i + 1)), single.ptr, 1, 1, 1);
        assert.is(single.read()[0], y.read()[i], `elu n=${n} element ${i}`);
        k.swish(bench.put(part.slice(i, i + 1)), single.ptr, 1, 1);
        assert.is(single.read()[0], z.read()[i], `swish n=${n} element ${i}`);
      }
    });
  }
});

test('erf_gate is its operations one by one, in place too', () => {
  const all = sweep();
  all.set([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, -0], 40);
  for (const x of [...LENGTHS.map((n) => all.slice(40, 40 + n)), all])
    for (const divide of [0, 1]) {
      const factor = f(divide ? Math.SQRT2 : Math.SQRT1_2);
      eachSkew(wasm, (bench) => {
        const n = x.length;
        const v = bench.put(x.map((a) => (divide ? a / factor : a * factor)));
        const e = bench.f32(n);
        k.erf(v, e.ptr, n);
        const erfs = e.read();
        const expected = x.map((a, i) => f(f(a * f(erfs[i]! + 1)) * 0.5));
        const y = bench.f32(n);
        const p = bench.put(x);
        k.erf_gate(p, y.ptr, n, factor, divide);
        same(y.read(), expected, `erf_gate n=${n} divide=${divide}`);
        k.erf_gate(p, p, n, factor, divide);
        same(wasm.arena.f32(p, n), expected, `erf_gate in place n=${n} divide=${divide}`);
      });
    }
});

test('clip and leaky_relu', () => {
  for (const n of LENGTHS) {
    eachSkew(wasm, (bench) => {
      const next = random(n);
      const x = Float32Array.from({ length: n }, () => (next() < 0.1 ? Number.NaN : next() * 4 - 2));
      const y = bench.f32(n);
      const z = bench.f32(n);
      const alpha = f(0.01);
      wasm.k.clip(bench.put(x), y.ptr, n, -0.5, 1);
      wasm.k.leaky_relu(bench.put(x), z.ptr, n, alpha);
      same(
        y.read(),
        x.map((v) => Math.min(Math.max(v, -0.5), 1)),
        `clip n=${n}`,
      );
      same(
        z.read(),
        x.map((v) => (v < 0 ? f(alpha * v) : v)),
        `leaky_relu n=${n}`,
      );
    });
  }
});

test.run();
