import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { BitWidthOptimizer, type CostTable, type Plan, strategyNames } from '../../src/allocate/index.ts';
import { TargetError, UsageError } from '../../src/errors.ts';
import { random } from '../helpers.ts';
import { allPlans, randomTable, sum } from './tables.ts';
import { throws } from '../throws.ts';

const WIDTHS = [2, 3, 4, 5, 6, 7, 8];
const widthsOf = (plan: Plan): number[] => plan.layers.map((l) => l.bits);

/** Layers of that many weights, without scales: bytes = params * bits / 8, damage by `f`. */
function plain(
  params: readonly number[],
  widths: readonly number[],
  f: (layer: number, bits: number) => number,
): CostTable {
  return {
    version: 1,
    metric: 'test',
    unit: 'proxy',
    samples: 0,
    layers: params.map((n, l) => ({
      name: `layer${l}`,
      weight: `w${l}`,
      opType: 'Gemm',
      params: n,
      choices: widths.map((bits) => ({ bits, damage: f(l, bits), bytes: (n * bits) / 8, measured: false })),
    })),
  };
}

const tables = fc.record({
  layers: fc.integer({ min: 1, max: 12 }),
  seed: fc.integer({ min: 0, max: 1e6 }),
  kind: fc.constantFrom('model' as const, 'wild' as const, 'flat' as const),
  objective: fc.constantFrom('sum', 'max'),
  at: fc.double({ min: 0, max: 1, noNaN: true }),
});

test('property: every strategy keeps the budget, exact is never beaten, best is exact, results repeat', () => {
  fc.assert(
    fc.property(tables, ({ layers, seed, kind, objective, at }) => {
      const table = randomTable({ layers, widths: WIDTHS, seed, kind });
      const make = (): BitWidthOptimizer => new BitWidthOptimizer(table, { objective });
      const { minBytes, maxBytes } = make().limits;
      const bytes = Math.floor(minBytes + at * (maxBytes - minBytes));
      const exact = make().optimize({ bytes }, 'exact');
      assert.is(exact.gap, 0);
      for (const name of strategyNames()) {
        const plan = make().optimize({ bytes }, name);
        assert.ok(plan.bytes <= bytes, `${name}: ${plan.bytes} of ${bytes}`);
        assert.ok(
          exact.predicted <= plan.predicted * (1 + 1e-12),
          `${name} ${plan.predicted} beats exact ${exact.predicted}`,
        );
        assert.equal(make().optimize({ bytes }, name), plan);
        assert.is(plan.averageBits, (8 * plan.bytes) / sum(table.layers.map((l) => l.params)));
      }
      assert.is(make().optimize({ bytes }).predicted, exact.predicted);
    }),
    { numRuns: 60, seed: 11 },
  );
});

test('property: the exact objective falls as the budget grows', () => {
  fc.assert(
    fc.property(tables, ({ layers, seed, kind, objective }) => {
      const optimizer = new BitWidthOptimizer(randomTable({ layers, widths: WIDTHS, seed, kind }), { objective });
      const { minBytes, maxBytes } = optimizer.limits;
      let last = Number.POSITIVE_INFINITY;
      for (let k = 0; k <= 8; k++) {
        const { predicted } = optimizer.optimize(
          { bytes: Math.floor(minBytes + ((maxBytes - minBytes) * k) / 8) },
          'exact',
        );
        assert.ok(predicted <= last * (1 + 1e-12));
        last = predicted;
      }
    }),
    { numRuns: 30, seed: 12 },
  );
});

test('the average bits of a plan, given as a budget, give a plan of those bytes back', () => {
  for (let seed = 0; seed < 200; seed++) {
    const optimizer = new BitWidthOptimizer(randomTable({ layers: 5, widths: WIDTHS, seed, kind: 'model' }));
    const { minBytes, maxBytes, minAverageBits, maxAverageBits } = optimizer.limits;
    const next = random(seed);
    const plan = optimizer.optimize({ bytes: Math.floor(minBytes + next() * (maxBytes - minBytes)) }, 'exact');
    assert.is(optimizer.optimize({ averageBits: plan.averageBits }, 'exact').predicted, plan.predicted);
    assert.is(optimizer.optimize({ averageBits: minAverageBits }).bytes, minBytes);
    assert.ok(optimizer.optimize({ averageBits: maxAverageBits }).bytes <= maxBytes);
  }
});

test('uniform: the largest width that fits for all, then one more bit in graph order while it fits', () => {
  const table = plain([800, 80, 400, 8], WIDTHS, (l, b) => (l + 1) * 4 ** -b);
  const optimizer = new BitWidthOptimizer(table);
  const all4 = (1288 * 4) / 8;
  assert.equal(widthsOf(optimizer.uniform({ bytes: all4 })), [4, 4, 4, 4]);
  assert.equal(widthsOf(optimizer.uniform({ bytes: all4 + 99 })), [4, 4, 4, 4]);
  assert.equal(widthsOf(optimizer.uniform({ bytes: all4 + 100 })), [5, 4, 4, 4]);
  assert.equal(widthsOf(optimizer.uniform({ bytes: all4 + 110 })), [5, 5, 4, 4]);
  assert.equal(widthsOf(optimizer.uniform({ bytes: all4 + 159 })), [5, 5, 4, 4]);
  assert.equal(widthsOf(optimizer.uniform({ bytes: all4 + 160 })), [5, 5, 5, 4]);
  assert.equal(widthsOf(optimizer.uniform({ averageBits: 5 })), [5, 5, 5, 5]);
  assert.equal(
    widthsOf(new BitWidthOptimizer(table, { pins: new Map([['layer1', 8]]) }).uniform({ bytes: all4 + 40 })),
    [4, 8, 4, 4],
  );
  const hardware = new BitWidthOptimizer(
    plain([800, 80, 400, 8], [2, 4, 8, 16], () => 1),
    { widths: 'hardware' },
  );
  assert.equal(widthsOf(hardware.uniform({ bytes: all4 + 400 })), [8, 4, 4, 4]);
});

test('uniform with wide ends', () => {
  const optimizer = new BitWidthOptimizer(plain([80, 800, 800, 80], WIDTHS, (_, b) => 4 ** -b));
  const bytes = (2 * 80 * 8 + 1600 * 3) / 8;
  assert.equal(widthsOf(optimizer.uniformEnds({ bytes })!), [8, 3, 3, 8]);
  assert.equal(widthsOf(optimizer.uniformEnds({ bytes: bytes + 100 })!), [8, 4, 3, 8]);
  assert.is(optimizer.uniformEnds({ bytes: (1760 * 2) / 8 }), undefined);
});

test('widths: hardware gives 4, 8 and 16 only; a list gives its own', () => {
  const table = randomTable({ layers: 9, widths: [2, 3, 4, 5, 6, 7, 8, 16], seed: 5, kind: 'wild' });
  for (const strategy of strategyNames()) {
    const hardware = new BitWidthOptimizer(table, { widths: 'hardware' });
    for (const averageBits of [5, 7, 10]) {
      for (const bits of widthsOf(hardware.optimize({ averageBits }, strategy)))
        assert.ok([4, 8, 16].includes(bits), `${strategy}: ${bits}`);
    }
    const list = new BitWidthOptimizer(table, { widths: [3, 6] });
    for (const bits of widthsOf(list.optimize({ averageBits: 5 }, strategy))) assert.ok([3, 6].includes(bits));
  }
  throws(() => new BitWidthOptimizer(table, { widths: [9] }), RangeError);
  throws(() => new BitWidthOptimizer(table, { widths: [] }), RangeError);
  throws(
    () =>
      new BitWidthOptimizer(randomTable({ layers: 2, widths: [2, 3], seed: 1, kind: 'model' }), { widths: 'hardware' }),
    /expected a width among 4, 8, 16, the table has 2,3/,
  );
});

test('pins hold, by layer or by weight name, at float too; contradictions are refused', () => {
  const base = plain([104, 200, 304], [2, 3, 4, 8, 32], (l, b) => (l + 1) * 4 ** -b);
  for (const strategy of strategyNames()) {
    const plan = new BitWidthOptimizer(base, {
      pins: new Map([
        ['layer0', 32],
        ['w2', 3],
      ]),
      widths: [2, 3, 4, 8],
    }).optimize({ averageBits: 9 }, strategy);
    assert.is(plan.layers[0]!.bits, 32);
    assert.is(plan.layers[2]!.bits, 3);
    assert.not(plan.layers[1]!.bits === 32);
  }
  throws(() => new BitWidthOptimizer(base, { pins: new Map([['nope', 4]]) }), /pin 'nope': no such layer/);
  throws(
    () => new BitWidthOptimizer(base, { pins: new Map([['layer0', 5]]) }),
    /expected a width among 5 \(pinned\), the table has 2,3,4,8,32/,
  );
  throws(
    () =>
      new BitWidthOptimizer(base, {
        pins: new Map([
          ['layer0', 4],
          ['layer1', 8],
        ]),
        ties: [['layer0', 'layer1']],
      }),
    /tied to one width but pinned to 4 and 8/,
  );
});

test('ties share a width, joined where they overlap, and are exact', () => {
  const table = randomTable({ layers: 5, widths: [2, 3, 4, 8], seed: 21, kind: 'wild' });
  const optimizer = new BitWidthOptimizer(table, {
    ties: [
      ['layer0', 'layer2'],
      ['w2', 'layer4'],
    ],
  });
  const fits = [...allPlans(table)].filter((p) => p.bits[0] === p.bits[2] && p.bits[2] === p.bits[4]);
  const bytes = Math.floor((optimizer.limits.minBytes + optimizer.limits.maxBytes) / 2);
  const plan = optimizer.optimize({ bytes }, 'exact');
  const [a, , c, , e] = widthsOf(plan);
  assert.ok(a === c && c === e);
  const best = Math.min(...fits.filter((p) => p.bytes <= bytes).map((p) => sum(p.damages)));
  assert.ok(Math.abs(plan.predicted - best) <= 1e-12 * best);
});

test('a budget out of range names the limits; what is no budget is refused', () => {
  const optimizer = new BitWidthOptimizer(plain([800, 800], [2, 4, 8], (_, b) => 4 ** -b));
  for (const budget of [{ bytes: 399 }, { averageBits: 1.9 }])
    throws(
      () => optimizer.optimize(budget),
      UsageError,
      /below the smallest plan; allowed: 400 to 1600 bytes \(2 to 8 average bits/,
    );
  for (const budget of [{ bytes: 1601 }, { averageBits: 8.1 }])
    throws(() => optimizer.uniform(budget), UsageError, /above the largest plan; allowed: 400 to 1600 bytes/);
  assert.is(optimizer.optimize({ averageBits: 8 }).bytes, 1600);
  for (const bad of [{ bytes: Number.NaN }, { bytes: -1 }, { averageBits: Number.POSITIVE_INFINITY }])
    throws(() => optimizer.optimize(bad), RangeError);
  for (const bad of [{}, null, 4, { bytes: '4' }]) throws(() => optimizer.optimize(bad as never), TypeError);
  throws(
    () => optimizer.optimize({ bytes: 800 }, 'nope' as never),
    /strategy 'nope': unknown, expected one of proportional, gradient, greedy, exact, best/,
  );
});

test('a target out of reach says what can be had', () => {
  const optimizer = new BitWidthOptimizer(plain([800, 800], [2, 4, 8], (_, b) => b / 1024));
  throws(() => optimizer.minimumFor(0.001), TargetError, /out of reach, the largest widths allowed predict/);
  throws(() => optimizer.minimumFor(Number.NaN), RangeError);
});

test('minimumFor gives a plan of its own objective back at no more bytes', () => {
  for (let seed = 0; seed < 60; seed++) {
    const optimizer = new BitWidthOptimizer(
      randomTable({ layers: 12, widths: WIDTHS, seed, kind: seed % 2 ? 'wild' : 'model' }),
    );
    const { minBytes, maxBytes } = optimizer.limits;
    const plan = optimizer.optimize({ bytes: Math.floor(minBytes + 0.4 * (maxBytes - minBytes)) });
    const smallest = optimizer.minimumFor(plan.predicted);
    assert.ok(
      smallest.bytes <= plan.bytes && smallest.predicted <= plan.predicted * (1 + 1e-12),
      `seed ${seed}: ${smallest.bytes} ${plan.bytes}`,
    );
    assert.is(optimizer.smallestBytes(plan.predicted).lowerBound, smallest.bytes);
  }
});

test('greedy reaches the optimum of a convex table and stops dead on one that is not monotone', () => {
  const convex = new BitWidthOptimizer(plain([80, 80, 80], WIDTHS, (l, b) => (l + 1) * 4 ** -b));
  for (const bytes of [60, 100, 130, 200])
    assert.ok(
      Math.abs(convex.optimize({ bytes }, 'greedy').predicted - convex.optimize({ bytes }, 'exact').predicted) < 1e-15,
    );
  const hump = new BitWidthOptimizer(plain([80], [2, 3, 4, 5], (_, b) => [5, 6, 1, 0.5][b - 2]!));
  assert.equal(widthsOf(hump.optimize({ bytes: 50 }, 'greedy')), [2]);
  assert.equal(widthsOf(hump.optimize({ bytes: 50 }, 'exact')), [5]);
});

test("proportional and gradient follow the sensitivity on the document's own table, kappa 2^-b", () => {
  const kappas = [1, 4, 16, 64, 256];
  const table = {
    ...plain(
      kappas.map(() => 800),
      WIDTHS,
      (l, b) => kappas[l]! * 2 ** -b,
    ),
    metric: 'spectral',
  };
  const optimizer = new BitWidthOptimizer(table, { objective: 'spectral' });
  for (const strategy of ['proportional', 'gradient'] as const) {
    const widths = widthsOf(optimizer.optimize({ averageBits: 5 }, strategy));
    for (let i = 1; i < 5; i++) assert.ok(widths[i]! >= widths[i - 1]!, `${strategy}: ${widths}`);
    assert.ok(widths[4]! > widths[0]!);
  }
  // Equal sizes: Lagrange gives b = log2 kappa + constant, so the gradient's relaxed optimum is 2, 3, 5, 7, 8 or as near as the cap of 8 allows.
  assert.is(
    optimizer.optimize({ averageBits: 5 }, 'gradient').predicted,
    optimizer.optimize({ averageBits: 5 }, 'exact').predicted,
  );
});

test('candidates: the best first, all different, all within the budget', () => {
  for (let seed = 0; seed < 20; seed++) {
    const optimizer = new BitWidthOptimizer(
      randomTable({ layers: 10, widths: WIDTHS, seed, kind: seed % 2 ? 'wild' : 'model' }),
    );
    const plans = optimizer.candidates({ averageBits: 4.5 }, 12);
    assert.is(plans.length, 12);
    assert.is(new Set(plans.map((p) => widthsOf(p).join())).size, 12);
    const best = optimizer.optimize({ averageBits: 4.5 });
    assert.equal(widthsOf(plans[0]!), widthsOf(best));
    const params = sum(optimizer.table.layers.map((l) => l.params));
    for (const p of plans) {
      assert.ok((8 * p.bytes) / params <= 4.5);
      assert.ok(p.predicted >= best.predicted * (1 - 1e-12));
    }
  }
  assert.is(new BitWidthOptimizer(plain([80], [4], () => 1)).candidates({ bytes: 40 }, 5).length, 1);
});

test('the frontier descends and runs from the smallest plan to the best', () => {
  const optimizer = new BitWidthOptimizer(randomTable({ layers: 15, widths: WIDTHS, seed: 4, kind: 'model' }));
  const plans = optimizer.frontier(24);
  assert.is(plans[0]!.bytes, optimizer.limits.minBytes);
  assert.ok(plans.length > 20);
  for (let i = 1; i < plans.length; i++)
    assert.ok(plans[i]!.bytes > plans[i - 1]!.bytes && plans[i]!.predicted < plans[i - 1]!.predicted);
});

test('the plan carries what the options say of it', () => {
  const table = plain([80, 80], [2, 4], (_, b) => 4 ** -b);
  const plan = new BitWidthOptimizer(table, {
    granularity: 32,
    symmetric: (bits) => bits > 3,
    rounding: 'gptq',
    format: 'qdq',
  }).planOf(
    new Map([
      ['layer0', 2],
      ['layer1', 4],
    ]),
  );
  assert.equal(
    plan.layers.map((l) => [l.bits, l.symmetric, l.granularity, l.rounding, l.format]),
    [
      [2, false, 32, 'gptq', 'qdq'],
      [4, true, 32, 'gptq', 'qdq'],
    ],
  );
  assert.equal([plan.bytes, plan.averageBits, plan.gap], [60, 3, null]);
  throws(
    () => new BitWidthOptimizer(table).planOf(new Map([['layer0', 3]])),
    /layer 'layer0': expected one of 2, 4 bits, got 3/,
  );
});

test('a damaged table is refused, naming the layer', () => {
  const good = plain([80], [2, 4], () => 1);
  const layer = good.layers[0]!;
  const broken = (choice: object): CostTable => ({
    ...good,
    layers: [{ ...layer, choices: [{ bits: 2, damage: 1, bytes: 1, measured: true, ...choice }] }],
  });
  for (const bad of [{ damage: Number.NaN }, { damage: -1 }, { bytes: 0.5 }, { bytes: -1 }, { bits: 0 }])
    throws(() => new BitWidthOptimizer(broken(bad)), RangeError, /layer 'layer0'/);
  throws(() => new BitWidthOptimizer({ ...good, layers: [] }), UsageError);
  throws(() => new BitWidthOptimizer({ ...good, layers: [layer, layer] }), /named twice/);
});

test('neighbours: other plans within the budget, one or two moves away, the best on the table first', () => {
  const table = randomTable({ layers: 5, widths: [2, 3, 4, 6, 8], seed: 8, kind: 'model' });
  const optimizer = new BitWidthOptimizer(table);
  const { minBytes, maxBytes } = optimizer.limits;
  const bytes = Math.floor((minBytes + maxBytes) / 2);
  const plan = optimizer.optimize({ bytes });
  const near = optimizer.neighbours(plan, { bytes }, 6);
  assert.is(near.length, 6);
  let last = plan.predicted;
  for (const n of near) {
    assert.ok(n.bytes <= bytes && n.predicted >= last);
    last = n.predicted;
    const moved = n.layers.filter((l, i) => l.bits !== plan.layers[i]!.bits).length;
    assert.ok(moved === 1 || moved === 2, `${moved} layers moved`);
  }
});

test.run();
