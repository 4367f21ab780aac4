import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { CostTable } from '../../src/allocate/types.ts';
import { kendall, rankAgreement, spearman } from '../../src/curvature/ranking.ts';

const near = (found: number | null, expected: number, what: string) =>
  assert.ok(found !== null && Math.abs(found - expected) < 1e-12, `${what}: ${found}, expected ${expected}`);

test('Spearman: 1 - 6 sum d^2 / n (n^2 - 1) without ties; the mean rank with', () => {
  near(spearman([1, 2, 3, 4, 5], [10, 20, 30, 40, 50]), 1, 'same order');
  near(spearman([1, 2, 3], [3, 2, 1]), -1, 'opposite order');
  // d = -1, 1, -1, 1, 0: 1 - 6 * 4 / 120.
  near(spearman([1, 2, 3, 4, 5], [2, 1, 4, 3, 5]), 0.8, 'two swaps');
  // Ranks 1, 2.5, 2.5, 4 and 1, 2, 3, 4: 4.5 / sqrt(4.5 * 5).
  near(spearman([1, 7, 7, 9], [0, 1, 2, 3]), 4.5 / Math.sqrt(22.5), 'a tie');
  assert.is(spearman([1, 1, 1], [1, 2, 3]), null);
  assert.is(spearman([1], [1]), null);
  assert.is(spearman([], []), null);
});

test("Kendall's tau-b: concordant less discordant over pairs that are not tied", () => {
  near(kendall([1, 2, 3, 4], [5, 6, 7, 8]), 1, 'same order');
  near(kendall([1, 2, 3, 4], [8, 7, 6, 5]), -1, 'opposite order');
  // 10 pairs, 2 of them discordant.
  near(kendall([1, 2, 3, 4, 5], [2, 1, 4, 3, 5]), 0.6, 'two swaps');
  // x has one tied pair of 6, y none; all the others agree: 5 / sqrt(5 * 6).
  near(kendall([1, 7, 7, 9], [0, 1, 2, 3]), 5 / Math.sqrt(30), 'a tie in one');
  // Tied in both: 5 / sqrt(5 * 5).
  near(kendall([1, 7, 7, 9], [0, 2, 2, 3]), 1, 'a tie in both');
  assert.is(kendall([1, 1], [1, 2]), null);
  assert.is(kendall([3], [1]), null);
});

type Damages = Readonly<Record<string, Readonly<Record<number, number>>>>;

function table(damages: Damages, more: Partial<CostTable> = {}, unmeasured: readonly number[] = []): CostTable {
  const layers = Object.entries(damages).map(([weight, by]) => ({
    name: weight,
    weight,
    opType: 'Gemm',
    params: 256,
    choices: Object.entries(by).map(([bits, damage]) => ({
      bits: Number(bits),
      damage,
      bytes: 32 * Number(bits),
      measured: !unmeasured.includes(Number(bits)),
    })),
  }));
  return { version: 1, metric: 'kl', unit: 'kl', samples: 1, ...more, layers };
}

test('tables: by width and over all, ratios where the unit is the same, measured truth alone', () => {
  const truth = table(
    { a: { 2: 8, 3: 4, 8: 1, 32: 0 }, b: { 2: 6, 3: 1, 8: 2, 32: 0 }, c: { 2: 5, 3: 2, 8: 3, 32: 0 } },
    {},
    [8],
  );
  const found = rankAgreement(
    table(
      { c: { 2: 10, 3: 4, 8: 9, 32: 0 }, a: { 2: 8, 3: 8, 8: 9, 32: 0 }, b: { 2: 9, 3: 1, 8: 9, 32: 0 } },
      { metric: 'gram' },
    ),
    truth,
  );
  assert.is(found.metric, 'gram');
  assert.is(found.truth, 'kl');
  assert.is(found.count, 6);
  assert.equal(
    found.widths.map((w) => [w.bits, w.count]),
    [
      [2, 3],
      [3, 3],
    ],
  );
  // At 2 bits the orders are opposite, at 3 bits the same.
  near(found.widths[0]!.spearman, -1, '2 bits');
  near(found.widths[1]!.spearman, 1, '3 bits');
  // Ratios at 2 bits: 1, 1.5, 2; at 3 bits 2, 1, 2; together 1, 1, 1.5, 2, 2, 2.
  assert.is(found.widths[0]!.medianRatio, 1.5);
  assert.is(found.widths[1]!.medianRatio, 2);
  assert.is(found.medianRatio, 1.75);
  assert.is(found.ratioSpread, 2);
  // Truth 8 6 5 4 1 2 against 8 9 10 8 1 4 (a b c at 2, a b c at 3): of 15 pairs 11 agree, 3 do not, 1 is tied.
  near(found.kendall, 8 / Math.sqrt(14 * 15), 'together');
});

test('a proxy has ranks and no ratio; no common point, and dead layers, give nulls', () => {
  const truth = table({ a: { 2: 8, 3: 4 }, b: { 2: 6, 3: 0 } });
  const proxy = rankAgreement(
    table({ a: { 2: 80, 3: 40 }, b: { 2: 60, 3: 0 } }, { metric: 'spectral', unit: 'proxy' }),
    truth,
  );
  near(proxy.spearman, 1, 'order');
  assert.is(proxy.medianRatio, null);
  assert.is(proxy.ratioSpread, null);
  const none = rankAgreement(table({ z: { 2: 1 } }), truth);
  assert.equal(
    [none.count, none.spearman, none.kendall, none.medianRatio, none.widths.length],
    [0, null, null, null, 0],
  );
  const dead = rankAgreement(table({ a: { 2: 0, 3: 0 }, b: { 2: 0, 3: 0 } }), truth);
  assert.equal([dead.count, dead.spearman, dead.kendall, dead.medianRatio], [4, null, null, null]);
});

test.run();
