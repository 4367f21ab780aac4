import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { logFactorial, lowerTail, upperTail } from '../../src/verify/binomial.ts';
import {
  argmaxCertified,
  certifyRows,
  clopperPearson,
  empiricalBernstein,
  klBound,
  marginOf,
  spread,
} from '../../src/verify/certificates.ts';
import { throws } from '../throws.ts';
import { random } from '../helpers.ts';

function softmax(z: readonly number[]): number[] {
  const max = Math.max(...z);
  const e = z.map((v) => Math.exp(v - max));
  const sum = e.reduce((a, b) => a + b, 0);
  return e.map((v) => v / sum);
}
const divergence = (p: readonly number[], q: readonly number[]): number =>
  p.reduce((s, v, i) => s + (v > 0 ? v * Math.log(v / q[i]!) : 0), 0);

test('property: KL <= (max d - min d)^2 / 8 both ways, for any scores and differences', () => {
  const next = random(1);
  for (let trial = 0; trial < 5000; trial++) {
    const n = 2 + Math.floor(next() * 12);
    const z = Array.from({ length: n }, () => 20 * next() - 10);
    const size = 10 ** (4 * next() - 3);
    const d = z.map(() => (next() < 0.5 ? size : -size) * (next() < 0.5 ? 1 : next()));
    const q = z.map((v, i) => v + d[i]!);
    const bound = klBound(spread(z, q));
    assert.ok(divergence(softmax(z), softmax(q)) <= bound * (1 + 1e-9) + 1e-14, `trial ${trial}`);
    assert.ok(divergence(softmax(q), softmax(z)) <= bound * (1 + 1e-9) + 1e-14, `trial ${trial}, other way`);
  }
});

test('the KL bound is approached: two equal classes, a small difference', () => {
  const d = 1e-3;
  const kl = divergence(softmax([0, 0]), softmax([0, d]));
  assert.ok(kl / klBound(d) > 0.999999 && kl <= klBound(d));
});

test('property: an argmax with a margin above the spread never changes; at the spread it can', () => {
  const next = random(2);
  let certified = 0;
  for (let trial = 0; trial < 5000; trial++) {
    const z = Array.from({ length: 5 }, () => 4 * next());
    const q = z.map((v) => v + 0.8 * (next() - 0.5));
    if (!argmaxCertified(marginOf(z), spread(z, q))) continue;
    certified++;
    assert.is(q.indexOf(Math.max(...q)), z.indexOf(Math.max(...z)));
  }
  assert.ok(certified > 500 && certified < 4500, `${certified}`);
  assert.not(argmaxCertified(marginOf([1, 0]), spread([1, 0], [0.5, 0.5])));
});

test('rows: margins, spreads, what is not a number', () => {
  assert.is(marginOf([3, 1, 2.5]), 0.5);
  assert.is(marginOf([3]), Number.POSITIVE_INFINITY);
  assert.is(marginOf([9, 9, 1, 4, 6], 2, 3), 2);
  assert.is(spread([0, 0, 0], [1, -2, Number.NaN]), Number.POSITIVE_INFINITY);
  const found = certifyRows([2, 0, 0, 1], [1.5, 0, 0, Number.NaN], 2);
  assert.equal([found.rows, found.certified, found.maxKlBound], [2, 1, Number.POSITIVE_INFINITY]);
  const exact = certifyRows([2, 0, 0, 1], [1.5, 0, 0, 1], 2);
  assert.equal([exact.certified, exact.maxKlBound, exact.meanKlBound], [2, 1 / 32, 1 / 64]);
  throws(() => certifyRows([1, 2, 3], [1, 2, 3], 2), RangeError);
  throws(() => certifyRows([1, 2], [1], 2), RangeError);
});

/** P(X >= k) in exact integers: sum of C(n, j) a^j (b - a)^(n - j) over b^n. */
function exactTail(n: number, k: number, a: bigint, b: bigint): number {
  let choose = 1n;
  let sum = 0n;
  for (let j = 0; j <= n; j++) {
    if (j >= k) sum += choose * a ** BigInt(j) * (b - a) ** BigInt(n - j);
    choose = (choose * BigInt(n - j)) / BigInt(j + 1);
  }
  return Number((sum * 10n ** 25n) / b ** BigInt(n)) / 1e25;
}

test('binomial tails against exact integers', () => {
  for (const n of [1, 5, 20, 60, 150]) {
    for (const [a, b] of [
      [1n, 100n],
      [1n, 4n],
      [1n, 2n],
      [9n, 10n],
    ] as const) {
      for (let k = 0; k <= n; k += Math.max(1, Math.floor(n / 9))) {
        const want = exactTail(n, k, a, b);
        const p = Number(a) / Number(b);
        assert.ok(Math.abs(upperTail(n, k, p) - want) <= 1e-12, `${n} ${k} ${p}: ${upperTail(n, k, p)} ${want}`);
        assert.ok(Math.abs(lowerTail(n, k - 1, p) - (1 - want)) <= 1e-12);
      }
    }
  }
  assert.is(logFactorial(0), 0);
  let sum = 0;
  for (let n = 1; n <= 5000; n++) {
    sum += Math.log(n);
    assert.ok(Math.abs(logFactorial(n) - sum) <= 1e-12 * Math.max(1, sum), `${n}`);
  }
});

test('Clopper-Pearson against tabled values (Newcombe 1998, and the closed form at 0)', () => {
  const table: [number, number, number, number][] = [
    [81, 263, 0.2527, 0.3676],
    [15, 148, 0.0578, 0.1617],
    [0, 20, 0, 0.1684],
    [1, 29, 0.0009, 0.1776],
    [5, 10, 0.1871, 0.8129],
    [50, 100, 0.3983, 0.6017],
    [10, 10, 0.6915, 1],
  ];
  for (const [k, n, lower, upper] of table) {
    const found = clopperPearson(k, n);
    assert.ok(
      Math.abs(found.lower - lower) < 5.1e-5 && Math.abs(found.upper - upper) < 5.1e-5,
      `${k}/${n}: ${JSON.stringify(found)}`,
    );
  }
  for (const n of [1, 10, 1000, 10000]) {
    const { lower, upper } = clopperPearson(0, n, 0.9);
    assert.is(lower, 0);
    assert.ok(Math.abs(upper - (1 - 0.05 ** (1 / n))) < 1e-13 * n, `${n}`);
    assert.ok(Math.abs(clopperPearson(n, n, 0.9).lower - 0.05 ** (1 / n)) < 1e-12);
  }
  assert.equal(clopperPearson(0, 0), { lower: 0, upper: 1 });
});

test('Clopper-Pearson covers at least as often as it says, counted exactly', () => {
  const n = 30;
  const intervals = Array.from({ length: n + 1 }, (_, k) => clopperPearson(k, n, 0.9));
  for (let i = 1; i < 200; i++) {
    const p = i / 200;
    let covered = 0;
    intervals.forEach(({ lower, upper }, k) => {
      if (p >= lower && p <= upper) covered += upperTail(n, k, p) - upperTail(n, k + 1, p);
    });
    assert.ok(covered >= 0.9 - 1e-12, `p = ${p}: ${covered}`);
  }
});

test('the empirical Bernstein bound: the formula, the cap, and coverage', () => {
  const { mean, upper, samples } = empiricalBernstein([0.1, 0.2, 5, 0.1], 1, 0.95);
  const variance = [0.1, 0.2, 1, 0.1].reduce((s, v) => s + (v - 0.35) ** 2, 0) / 3;
  const log = Math.log(2 / 0.05);
  assert.ok(Math.abs(mean - 0.35) < 1e-15);
  assert.is(upper, 1);
  assert.is(samples, 4);
  const many = Array.from({ length: 400 }, (_, i) => [0.1, 0.2, 1, 0.1][i % 4]!);
  const expected = 0.35 + Math.sqrt((2 * (variance * 3 * 100) * log) / 399 / 400) + (7 * log) / (3 * 399);
  assert.ok(Math.abs(empiricalBernstein(many, 1, 0.95).upper - expected) < 1e-12);
  assert.equal(empiricalBernstein([0.5], 2), { mean: 0.5, upper: 2, samples: 1 });
  assert.equal(empiricalBernstein([], 2), { mean: 0, upper: 2, samples: 0 });
  const next = random(7);
  let missed = 0;
  for (let trial = 0; trial < 500; trial++) {
    // min(v, 1) of v = u^8 has expectation 1/9.
    const values = Array.from({ length: 60 }, () => next() ** 8);
    if (empiricalBernstein(values, 1, 0.9).upper < 1 / 9) missed++;
  }
  assert.ok(missed <= 50, `${missed} of 500`);
});

test('wrong arguments are named', () => {
  throws(() => clopperPearson(3, 2), RangeError, /events: expected an integer from 0 to 2, got 3/);
  throws(() => clopperPearson(1, 2, 1), RangeError, /confidence/);
  throws(() => clopperPearson(1, 2, '1' as never), TypeError);
  throws(() => clopperPearson(0.5, 2), RangeError);
  throws(() => empiricalBernstein([-1], 1), RangeError, /value 0/);
  throws(() => empiricalBernstein([Number.NaN, 1], 1), RangeError);
  throws(() => empiricalBernstein([1], 0), RangeError, /cap/);
});

test.run();
