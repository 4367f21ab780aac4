import loadHighs from 'highs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { BitWidthOptimizer } from '../../src/allocate/index.ts';
import { solveKnapsack } from '../../src/allocate/knapsack.ts';
import type { CostTable } from '../../src/allocate/types.ts';
import { random } from '../helpers.ts';
import { allPlans, randomTable, sum } from './tables.ts';

const close = (a: number, b: number, message: string): void =>
  assert.ok(Math.abs(a - b) <= 1e-12 * Math.max(Math.abs(a), Math.abs(b)), `${message}: ${a} against ${b}`);

test('exact equals brute force for sum and max, on convex, wild and flat tables', () => {
  for (let seed = 0; seed < 36; seed++) {
    const kind = (['model', 'wild', 'flat'] as const)[seed % 3]!;
    const table = randomTable({ layers: 2 + (seed % 5), widths: [2, 3, 4, 6, 8], seed, kind });
    const plans = [...allPlans(table)];
    const bytes = plans.map((p) => p.bytes).sort((a, b) => a - b);
    for (const budget of [
      bytes[0]!,
      bytes[Math.floor(bytes.length * 0.3)]!,
      bytes[Math.floor(bytes.length * 0.7)]! + 1,
      bytes[bytes.length - 1]!,
    ]) {
      const fits = plans.filter((p) => p.bytes <= budget);
      const byS = new BitWidthOptimizer(table).optimize({ bytes: budget }, 'exact');
      close(byS.predicted, Math.min(...fits.map((p) => sum(p.damages))), `sum, seed ${seed}, budget ${budget}`);
      assert.is(byS.gap, 0);
      assert.ok(byS.bytes <= budget);
      const byM = new BitWidthOptimizer(table, { objective: 'max' }).optimize({ bytes: budget }, 'exact');
      const worst = Math.min(...fits.map((p) => Math.max(...p.damages)));
      assert.is(byM.predicted, worst);
      assert.is(byM.gap, 0);
      const tieBreak = Math.min(...fits.filter((p) => Math.max(...p.damages) === worst).map((p) => sum(p.damages)));
      close(
        byM.layers.reduce((s, l, i) => s + table.layers[i]!.choices.find((c) => c.bits === l.bits)!.damage, 0),
        tieBreak,
        `max, then sum, seed ${seed}`,
      );
    }
  }
});

test('smallest bytes for a target equal brute force', () => {
  for (let seed = 100; seed < 140; seed++) {
    const table = randomTable({
      layers: 2 + (seed % 4),
      widths: [2, 3, 4, 5, 8],
      seed,
      kind: seed % 2 ? 'wild' : 'model',
    });
    const plans = [...allPlans(table)];
    const values = plans.map((p) => sum(p.damages)).sort((a, b) => a - b);
    for (const at of [0, 0.2, 0.5, 0.9]) {
      const target = values[Math.floor(values.length * at)]! * (1 + 1e-9);
      const plan = new BitWidthOptimizer(table).minimumFor(target);
      assert.is(plan.bytes, Math.min(...plans.filter((p) => sum(p.damages) <= target).map((p) => p.bytes)));
      assert.ok(plan.predicted <= target);
      const worst = new BitWidthOptimizer(table, { objective: 'max' }).minimumFor(target);
      assert.is(worst.bytes, Math.min(...plans.filter((p) => Math.max(...p.damages) <= target).map((p) => p.bytes)));
    }
  }
});

/** The same choice as a mixed-integer program in LP format, one binary variable a (group, width). */
function milp(
  table: CostTable,
  budget: number,
  scale: number,
  ties: readonly (readonly number[])[],
  pins: ReadonlyMap<number, number>,
): string {
  const terms = (f: (l: number, c: number) => number): string =>
    table.layers.flatMap((layer, l) => layer.choices.map((_, c) => `${f(l, c)} x${l}_${c}`)).join(' + ');
  const lines = [
    `Minimize`,
    ` obj: ${terms((l, c) => table.layers[l]!.choices[c]!.damage * scale)}`,
    'Subject To',
    ` size: ${terms((l, c) => table.layers[l]!.choices[c]!.bytes)} <= ${budget}`,
  ];
  table.layers.forEach((layer, l) => {
    lines.push(` one${l}: ${layer.choices.map((_, c) => `x${l}_${c}`).join(' + ')} = 1`);
    layer.choices.forEach((choice, c) => {
      if (pins.has(l) && pins.get(l) !== choice.bits) lines.push(` pin${l}_${c}: x${l}_${c} = 0`);
    });
  });
  ties.forEach((tie, t) => {
    for (const l of tie.slice(1))
      lines.push(...table.layers[l]!.choices.map((_, c) => ` tie${t}_${l}_${c}: x${l}_${c} - x${tie[0]}_${c} = 0`));
  });
  lines.push('Binary', ...table.layers.flatMap((layer, l) => layer.choices.map((_, c) => ` x${l}_${c}`)), 'End');
  return lines.join('\n');
}

test('exact agrees with the MILP solver HiGHS on 50 random tables, ties and pins included', async () => {
  const highs = await loadHighs();
  let compared = 0;
  for (let seed = 0; seed < 50; seed++) {
    const next = random(seed + 999);
    // Flat tables cost the MILP solver seconds beyond a few layers.
    const kind = (['model', 'wild', 'flat'] as const)[seed % 3]!;
    const layers = kind === 'flat' ? 5 : 6 + Math.floor(next() * (kind === 'model' ? 14 : 3));
    const table = randomTable({
      layers,
      widths: kind === 'model' ? [2, 3, 4, 5, 6, 8] : [2, 3, 4, 6, 8],
      seed: seed + 500,
      kind,
    });
    const ties =
      seed % 4 === 1
        ? [
            [0, 3, 4],
            [1, 2],
          ]
        : [];
    const pins = new Map<number, number>(seed % 5 === 2 ? [[1, 8]] : []);
    const optimizer = new BitWidthOptimizer(table, {
      ties: ties.map((t) => t.map((l) => `layer${l}`)),
      pins: new Map([...pins].map(([l, bits]) => [`w${l}`, bits])),
    });
    const { minBytes, maxBytes } = optimizer.limits;
    const budget = Math.floor(minBytes + (maxBytes - minBytes) * (0.1 + 0.6 * next()));
    const plan = optimizer.optimize({ bytes: budget }, 'exact');
    // Damages scaled to about 1, so that the solver's absolute tolerances mean little.
    const scale = 10 ** Math.round(-Math.log10(plan.predicted || 1) + 3);
    const solution = highs.solve(milp(table, budget, scale, ties, pins), {
      output_flag: false,
      mip_rel_gap: 0,
      mip_abs_gap: 0,
    });
    assert.is(solution.Status, 'Optimal', `seed ${seed}`);
    const picked = table.layers.map((layer, l) =>
      layer.choices.findIndex((_, c) => (solution.Columns[`x${l}_${c}`] as { Primal: number }).Primal > 0.5),
    );
    const theirs = sum(picked.map((c, l) => table.layers[l]!.choices[c]!.damage));
    const bytes = sum(picked.map((c, l) => table.layers[l]!.choices[c]!.bytes));
    assert.ok(bytes <= budget, `HiGHS plan fits, seed ${seed}`);
    assert.ok(plan.predicted <= theirs * (1 + 1e-12), `seed ${seed}: exact ${plan.predicted}, HiGHS ${theirs}`);
    assert.ok(
      theirs <= plan.predicted * (1 + 1e-6),
      `seed ${seed}: HiGHS ${theirs} is worse than exact ${plan.predicted}`,
    );
    assert.is(plan.gap, 0);
    for (const tie of ties) assert.is(new Set(tie.map((l) => plan.layers[l]!.bits)).size, 1);
    for (const [l, bits] of pins) assert.is(plan.layers[l]!.bits, bits);
    compared++;
  }
  assert.is(compared, 50);
});

test('300 layers of 8 widths are solved to proven optimality', () => {
  for (const kind of ['model', 'wild'] as const) {
    const table = randomTable({
      layers: 300,
      widths: [2, 3, 4, 5, 6, 7, 8, 16],
      seed: 7,
      kind,
      params: (next) => [768 * 768, 768 * 3072, 3072][Math.floor(next() * 3)]!,
    });
    const optimizer = new BitWidthOptimizer(table);
    for (const averageBits of [3, 4, 4.7]) {
      const plan = optimizer.optimize({ averageBits: averageBits + 0.25 }, 'exact');
      assert.is(plan.gap, 0, `${kind} at ${averageBits}`);
      for (const other of ['greedy', 'gradient', 'proportional'] as const)
        assert.ok(
          plan.predicted <= optimizer.optimize({ averageBits: averageBits + 0.25 }, other).predicted * (1 + 1e-12),
        );
    }
  }
});

test('past the cap on states the gap that is proved is real: the optimum lies within it', () => {
  for (let seed = 0; seed < 20; seed++) {
    const next = random(seed);
    // Costs nearly linear in weight: the hardest tables.
    const classes = Array.from({ length: 14 }, () => {
      const unit = 100 + Math.floor(next() * 900);
      return {
        weights: [0, 1, 2, 3].map((k) => k * unit + Math.floor(next() * 5)),
        costs: [3, 2, 1, 0].map((k) => k * unit + next() * 5),
      };
    });
    const capacity = 9000;
    const full = solveKnapsack(classes, capacity)!;
    assert.is(full.lowerBound, full.cost);
    const capped = solveKnapsack(classes, capacity, 16)!;
    assert.ok(
      capped.lowerBound <= full.cost && full.cost <= capped.cost,
      `seed ${seed}: ${capped.lowerBound} ${full.cost} ${capped.cost}`,
    );
    assert.ok(capped.weight <= capacity);
  }
});

test('damages of very different size keep their digits', () => {
  const table = randomTable({ layers: 4, widths: [2, 8], seed: 3, kind: 'model' });
  const layers = table.layers.map((l, i) => ({
    ...l,
    params: 1000,
    choices: [
      { bits: 2, damage: 1e9 * (i + 1), bytes: 10, measured: true },
      { bits: 8, damage: 1e-12 * (i + 1), bytes: 20, measured: true },
    ],
  }));
  const plan = new BitWidthOptimizer({ ...table, layers }).optimize({ bytes: 80 }, 'exact');
  assert.is(plan.predicted, 1e-12 + 2e-12 + 3e-12 + 4e-12);
});

test.run();
