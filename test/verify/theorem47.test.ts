import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { leastError, recommendedBits, requiredBits, requiredPieceBits, wholeBits } from '../../src/verify/theorem47.ts';
import { throws } from '../throws.ts';
import { random } from '../helpers.ts';
import { bestError, gelu, minSecondDerivative, SEGMENTS, type Segment, sampleSlack, samples } from './evaluations.ts';

const diameter = (s: Segment): number => s.hi - s.lo;

test('the least second derivative is what the theorem takes', () => {
  for (const s of SEGMENTS) {
    const kappa = minSecondDerivative(s);
    assert.ok(kappa > 0, s.name);
    for (let i = 0; i <= 100; i++) {
      const x = s.lo + (diameter(s) * i) / 100;
      const h = 1e-4;
      const bend = (s.f(x + h) - 2 * s.f(x) + s.f(x - h)) / (h * h);
      assert.ok(Math.abs(bend - s.secondDerivative(x)) < 1e-5 * (1 + Math.abs(bend)), `${s.name} at ${x}`);
      assert.ok(Math.abs(s.secondDerivative(x)) >= kappa * (1 - 1e-9));
    }
  }
});

test('no function with at most 2^p distinct outputs beats the bound', () => {
  for (const s of SEGMENTS) {
    const kappa = minSecondDerivative(s);
    const values = samples(s, 20001);
    const slack = sampleSlack(values);
    for (const p of [0, 1, 2, 4, 6, 8]) {
      const best = bestError(values, 2 ** p);
      const bound = leastError(kappa, diameter(s), p);
      assert.ok(best >= bound * (1 - 1e-9) - slack, `${s.name}, p = ${p}: ${best} below ${bound}`);
      // The bits the theorem asks for that error are at most p.
      assert.ok(requiredBits(kappa, diameter(s), best + slack) <= p + 1e-9, `${s.name}, p = ${p}`);
    }
  }
});

test('nor do evaluations one would write: rounded outputs, rounded inputs, short mantissas, random codebooks', () => {
  const next = random(1);
  for (const s of SEGMENTS) {
    const kappa = minSecondDerivative(s);
    const xs = Array.from({ length: 2001 }, (_, i) => s.lo + (diameter(s) * i) / 2000);
    const truth = xs.map(s.f);
    const [low, high] = [Math.min(...truth), Math.max(...truth)];
    for (const p of [2, 4, 6]) {
      const n = 2 ** p;
      const bound = leastError(kappa, diameter(s), p);
      const step = (high - low) / n;
      const books = Array.from({ length: 20 }, () => Array.from({ length: n }, () => low + (high - low) * next()));
      const nearest = (book: readonly number[], y: number): number =>
        book.reduce((a, b) => (Math.abs(b - y) < Math.abs(a - y) ? b : a));
      const evaluations: ((x: number) => number)[] = [
        (x) => low + step * (Math.min(n - 1, Math.floor((s.f(x) - low) / step)) + 0.5),
        (x) => s.f(s.lo + (Math.min(n - 1, Math.floor(((x - s.lo) / diameter(s)) * n)) + 0.5) * (diameter(s) / n)),
        ...books.map((book) => (x: number) => nearest(book, s.f(x))),
      ];
      for (const g of evaluations) {
        const outputs = xs.map(g);
        assert.ok(new Set(outputs).size <= n);
        const error = Math.max(...outputs.map((y, i) => Math.abs(y - truth[i]!)));
        assert.ok(error >= bound * (1 - 1e-6), `${s.name}, p = ${p}: ${error} below ${bound}`);
      }
    }
  }
});

test('the bound is tight for a quadratic: rounding the output to 2^p values reaches it', () => {
  const square = SEGMENTS[0]!;
  for (const p of [1, 4, 8, 10]) {
    const bound = leastError(2, 2, p);
    const best = bestError(samples(square, 200001), 2 ** p);
    assert.ok(Math.abs(best / bound - 1) < 0.02, `p = ${p}: ${best} against ${bound}`);
    // Values at the middle of equal steps of the range [0, 1].
    const step = 1 / 2 ** p;
    const error = Math.max(
      ...samples(square).map((y) => Math.abs(step * (Math.min(2 ** p - 1, Math.floor(y / step)) + 0.5) - y)),
    );
    assert.ok(Math.abs(error - bound) < 1e-12, `${error} ${bound}`);
    assert.ok(Math.abs(requiredBits(2, 2, error) - p) < 1e-9);
  }
  // The figure of the design: x^2 / 2 on [-1, 1] at p = 4.
  assert.ok(Math.abs(leastError(1, 2, 4) - 1.5625e-2) < 1e-18);
});

test('with the largest curvature over a wide domain the statement is false: GELU on [-500, 500]', () => {
  const p = 8;
  const largest = Math.sqrt(2 / Math.PI);
  const claimed = leastError(largest, 1000, p);
  assert.ok(claimed > 194 && claimed < 196, `${claimed}`);
  const best = bestError(samples({ name: '', f: gelu, secondDerivative: () => 0, lo: -500, hi: 500 }, 20001), 2 ** p);
  assert.ok(best > 0.97 && best < 0.98, `${best}`);
});

test('piecewise linear evaluation: at least kappa D^2 / (16 4^p), tight for a quadratic', () => {
  const next = random(2);
  /** Best straight line for convex or concave f on [a, b]: half the largest distance from the chord. */
  const lineError = (f: (x: number) => number, a: number, b: number): number => {
    let most = 0;
    for (let i = 0; i <= 400; i++) {
      const x = a + ((b - a) * i) / 400;
      most = Math.max(most, Math.abs(f(a) + ((f(b) - f(a)) * (x - a)) / (b - a) - f(x)));
    }
    return most / 2;
  };
  for (const s of SEGMENTS) {
    const kappa = minSecondDerivative(s);
    for (const p of [0, 1, 2, 3]) {
      const pieces = 2 ** p;
      const bound = (kappa * diameter(s) ** 2) / (16 * 4 ** p);
      for (let trial = 0; trial < 30; trial++) {
        const even = trial === 0;
        const cuts = Array.from({ length: pieces - 1 }, (_, i) => (even ? (i + 1) / pieces : next())).sort(
          (a, b) => a - b,
        );
        const ends = [0, ...cuts, 1].map((t) => s.lo + t * diameter(s));
        const error = Math.max(...ends.slice(1).map((b, i) => (b > ends[i]! ? lineError(s.f, ends[i]!, b) : 0)));
        assert.ok(error >= bound * (1 - 1e-6), `${s.name}: ${error} below ${bound}`);
        if (even && s.secondDerivative(s.lo) === s.secondDerivative(s.hi) && s.name.includes('x^2'))
          assert.ok(Math.abs(error / bound - 1) < 1e-9, `${s.name}, tight: ${error} ${bound}`);
        assert.ok(requiredPieceBits(kappa, diameter(s), error) <= p + 1e-6);
      }
    }
  }
});

test('values', () => {
  assert.is(requiredBits(1, 4, 1), 0);
  assert.is(requiredBits(2, 2, 2 ** -5), 4);
  assert.is(requiredBits(1, 1, 1), -4);
  assert.is(recommendedBits(1, 1, 2 ** -20), 20);
  assert.is(recommendedBits(1, 1, 1, 8), 3);
  assert.ok(Math.abs(recommendedBits(100, 2, 1e-6) - Math.log2(4e8)) < 1e-12);
  for (const [ratio, bits] of [
    [0.1, 0],
    [1, 0],
    [1.0001, 1],
    [2, 1],
    [3, 2],
    [2 ** 40, 40],
    [2 ** 40 + 1, 41],
  ] as const)
    assert.is(wholeBits(ratio), bits);
  const next = random(3);
  for (let i = 0; i < 2000; i++) {
    const [k, d, e] = [10 ** (8 * next() - 4), 10 ** (6 * next() - 3), 10 ** (12 * next() - 9)];
    const want = Math.log2((k * d * d) / (16 * e));
    assert.ok(Math.abs(requiredBits(k, d, e) - want) < 1e-12 * Math.max(1, Math.abs(want)));
  }
});

test('wrong arguments are named', () => {
  throws(() => requiredBits(0, 1, 1), RangeError, /minSecondDerivative: expected a positive finite number, got 0/);
  throws(() => requiredBits(1, -1, 1), RangeError, /diameter/);
  throws(() => recommendedBits(1, 1, 0), RangeError, /error/);
  throws(() => requiredBits('1' as never, 1, 1), TypeError);
  throws(() => leastError(1, 1, 1.5), RangeError, /bits/);
  throws(() => wholeBits(Number.POSITIVE_INFINITY), RangeError);
});

test.run();
