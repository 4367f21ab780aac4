import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import * as own from '../src/math.ts';

type Unary = Exclude<keyof typeof own, 'pow' | 'exp2'>;

/** By name. */
const OWN: Readonly<Record<Unary, (x: number) => number>> = own;

/** Largest relative difference to the engine's own functions, which are within an ulp or so, in units of 2^-52. */
const ULPS: Readonly<Record<Unary, number>> = {
  exp: 3,
  expm1: 6,
  log: 4,
  log2: 4,
  log10: 4,
  log1p: 6,
  sin: 4,
  cos: 4,
  tan: 8,
  asin: 10,
  acos: 10,
  atan: 10,
  sinh: 8,
  cosh: 8,
  tanh: 8,
  asinh: 8,
  acosh: 8,
  atanh: 8,
};

const NAMES = Object.keys(ULPS) as Unary[];
const CIRCULAR: readonly Unary[] = ['sin', 'cos', 'tan'];

function apart(found: number, expected: number): number {
  if (Object.is(found, expected) || found === expected) return 0;
  if (!Number.isFinite(found) || !Number.isFinite(expected)) return Number.POSITIVE_INFINITY;
  return Math.abs(found - expected) / Math.max(Math.abs(expected), 2 ** -1022) / 2 ** -52;
}

test('every function is within a few ulps of the engine', () => {
  assert.equal([...NAMES, 'pow', 'exp2'].sort(), Object.keys({ ...own }).sort());
  const near = fc.double({ min: -2, max: 2, noNaN: true });
  const middle = fc.double({ min: -30, max: 30, noNaN: true });
  const wide = fc.double({ min: -800, max: 800, noNaN: true });
  for (const name of NAMES)
    fc.assert(
      fc.property(fc.oneof(near, middle, wide), (x) => {
        // near their zeros circular functions of a rounded argument have no relative precision to speak of
        const scale = CIRCULAR.includes(name) && Math.abs(x) > 1 ? 1e-3 : 0;
        const [found, expected] = [OWN[name](x), Math[name](x)];
        if (scale > 0 && Math.abs(expected) < scale) return Math.abs(found - expected) < 1e-18;
        const by = apart(found, expected);
        if (by > ULPS[name]) throw new Error(`${name}(${x}): ${found}, expected ${expected}: ${by} ulps`);
        return true;
      }),
      { numRuns: 2000, seed: 7 },
    );
});

test('zeros, infinities, NaN and what lies outside the domain', () => {
  for (const name of NAMES)
    for (const x of [
      0,
      -0,
      1,
      -1,
      2,
      -2,
      Number.POSITIVE_INFINITY,
      Number.NEGATIVE_INFINITY,
      Number.NaN,
      5e-324,
      1e308,
    ]) {
      const [found, expected] = [OWN[name](x), Math[name](x)];
      if (CIRCULAR.includes(name) && x === 1e308) continue;
      if (expected === 0 || !Number.isFinite(expected))
        assert.ok(Object.is(found, expected), `${name}(${x}): ${found}, expected ${expected}`);
      else assert.ok(apart(found, expected) <= ULPS[name], `${name}(${x}): ${found}, expected ${expected}`);
    }
});

test('large arguments of circular functions', () => {
  for (const name of ['sin', 'cos'] as const)
    for (const x of [2 ** 20, 1234567.891, -98765432.1, 1e15, 2 ** 53 + 2, 1e22, -1e100, 1e308, Number.MAX_VALUE])
      assert.ok(
        Math.abs(OWN[name](x) - Math[name](x)) < 1e-15,
        `${name}(${x}): ${OWN[name](x)}, expected ${Math[name](x)}`,
      );
});

test('powers', () => {
  const number = fc.oneof(
    fc.double({ min: 1e-3, max: 1e3, noNaN: true }),
    fc.constantFrom(0, -0, 1, -1, 0.5, 2, -2, 3, -3, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.NaN),
  );
  fc.assert(
    fc.property(number, fc.oneof(fc.double({ min: -20, max: 20, noNaN: true }), number), (x, p) => {
      const [found, expected] = [own.pow(x, p), x ** p];
      if (expected === 0 || !Number.isFinite(expected))
        return Object.is(found, expected) || found > 1e300 || Math.abs(found) < 1e-300;
      return apart(found, expected) < 4000;
    }),
    { numRuns: 5000, seed: 1 },
  );
});

test('exact where the result is: powers of two', () => {
  for (let k = -1074; k <= 1023; k++) {
    assert.is(own.log2(2 ** k), k);
    assert.is(own.exp2(k), 2 ** k);
  }
  assert.equal([own.exp2(1024), own.exp2(-1100)], [Number.POSITIVE_INFINITY, 0]);
  for (let i = 0; i < 500; i++) assert.ok(apart(own.exp2(i / 7 - 30), 2 ** (i / 7 - 30)) <= 4, `exp2(${i / 7 - 30})`);
  assert.is(own.exp(0), 1);
  assert.is(own.log(1), 0);
  assert.is(own.pow(9, 0.5), 3);
});

test('bits that every engine must get', () => {
  const bits = new DataView(new ArrayBuffer(8));
  let hash = 2166136261;
  for (const name of NAMES)
    for (let i = 1; i < 200; i++) {
      bits.setFloat64(0, OWN[name](i / 64));
      for (let b = 0; b < 8; b++) hash = Math.imul(hash ^ bits.getUint8(b), 16777619);
    }
  assert.is((hash >>> 0).toString(16), 'd0f66d23');
});

test.run();
