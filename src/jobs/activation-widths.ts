import { Problem } from '../allocate/problem.ts';
import { BitWidthOptimizer } from '../allocate/optimizer.ts';
import { allocateTogether, type Together, WIDEST_INTEGER } from '../allocate/together.ts';
import type { CostActivations, CostTable } from '../allocate/types.ts';
import type { ActivationGroup } from '../report/types.ts';

/** What it is worth to have all multiply-adds in integers: this share of the weights' damage, or this much where that is more. */
const SHARE = 0.5;
const LEAST: Readonly<Record<CostTable['unit'], number>> = { kl: 2e-4, nse: 1e-5, proxy: 1e-5 };
/** Times that, at which roundings are solved to be measured beside each other; the last rounds whatever speeds anything up. */
const TIMES: readonly number[] = [1, 1 / 4, 4, 2 ** 40];

/** Damage that it is worth to have all multiply-adds in integers, beside weights that do so much. */
export function priceOf(weights: number, unit: CostTable['unit']): number {
  return Math.max(SHARE * weights, LEAST[unit]);
}

export interface Chosen {
  /** Width of every value that could be rounded; 32 is float. */
  readonly chosen: ReadonlyMap<string, number>;
  readonly groups: readonly ActivationGroup[];
  /** Sum of the damages of single groups. */
  readonly predicted: number;
  /** What all multiply-adds in integers are worth: the most that activations may add. */
  readonly limit: number;
  /** Share of the multiply-adds that are of integers. */
  readonly work: number;
  /** Damage of weights and activations together as it was measured; that of the weights where nothing is rounded. */
  readonly together: number;
}

/**
 * Widths of activations beside weights that are chosen: `allocateTogether` at a few prices, and as many groups as may be rounded by
 * the sum of their damages alone, each measured together with the weights as they are written on the samples that judge plans. The
 * least sum of damage and what float products forgo wins, all in float among them: activations never add more than their work is
 * worth.
 * @param integers layers, by weight, whose codes can be multiplied as integers
 * @param weights damage of the weights alone, on the same samples
 * @param measure damage with values at these widths
 */
export async function chooseWidths(
  part: CostActivations,
  integers: ReadonlySet<string>,
  weights: number,
  unit: CostTable['unit'],
  measure: (widths: ReadonlyMap<string, number>) => Promise<number>,
): Promise<Chosen> {
  const price = priceOf(weights, unit);
  const candidates = roundings(part, integers, price, unit);
  let best: { found: Rounding; together: number } | undefined;
  let least = weights + price;
  const seen = new Set<string>();
  for (const found of candidates) {
    const key = [...found.bits.values()].join();
    if (seen.has(key) || found.work === 0) continue;
    seen.add(key);
    const together = await measure(valuesOf(part, found.bits));
    const cost = together + price * (1 - found.work);
    if (!(cost < least)) continue;
    least = cost;
    best = { found, together };
  }
  const bits = best?.found.bits ?? new Map(part.groups.map((g) => [g.name, 32]));
  return {
    chosen: valuesOf(part, bits),
    groups: part.groups.map((g) => groupReport(part, integers, g, bits.get(g.name)!, price)),
    predicted: best?.found.damage ?? 0,
    limit: price,
    work: best?.found.work ?? 0,
    together: best?.together ?? weights,
  };
}

type Rounding = Pick<Together, 'bits' | 'work' | 'damage'>;

function roundings(
  part: CostActivations,
  integers: ReadonlySet<string>,
  price: number,
  unit: CostTable['unit'],
): Rounding[] {
  const problem = new Problem(fixedTable(part, integers, unit));
  const solved = TIMES.map((times) =>
    allocateTogether(problem, part, { bytes: 0, counted: false, price: times * price }),
  );
  // What is useful has a width in the solution that rounds all of it.
  const useful = part.groups.filter((g) => solved.at(-1)!.bits.get(g.name)! < 32);
  if (useful.length === 0) return [];
  const layers = useful.map(({ name, values, choices }) => ({
    name,
    weight: name,
    opType: '',
    params: values.length,
    choices: choices.map((c) => ({ ...c, bytes: c.bits * values.length })),
  }));
  const most = new BitWidthOptimizer({ version: 1, metric: '', unit, samples: 0, layers }).minimumFor(price);
  const widths = new Map(most.layers.map((l) => [l.name, l.bits]));
  const bits = new Map(part.groups.map((g) => [g.name, widths.get(g.name) ?? 32]));
  // The same choice by the definition: what is rounded costs nothing, and nothing else can be.
  const only = part.groups.map((g) => ({ ...g, choices: g.choices.filter((c) => c.bits === bits.get(g.name)) }));
  const { work } = allocateTogether(problem, { ...part, groups: only }, { bytes: 0, counted: false, price });
  return [...solved, { bits, work, damage: most.predicted }];
}

/** Widths by value. */
export function valuesOf(part: CostActivations, bits: ReadonlyMap<string, number>): Map<string, number> {
  return new Map(part.groups.flatMap((g) => g.values.map((v) => [v, bits.get(g.name)!] as const)));
}

/** Weights whose widths are chosen: multiplied as integers or not, at no cost. */
function fixedTable({ products }: CostActivations, integers: ReadonlySet<string>, unit: CostTable['unit']): CostTable {
  const layers = products.map(({ weight }) => {
    const bits = integers.has(weight) ? WIDEST_INTEGER : 32;
    return { name: weight, weight, opType: '', params: 1, choices: [{ bits, damage: 0, bytes: 0, measured: true }] };
  });
  const none = {
    name: '',
    weight: '',
    opType: '',
    params: 1,
    choices: [{ bits: 32, damage: 0, bytes: 0, measured: true }],
  };
  return { version: 1, metric: '', unit, samples: 0, layers: layers.length > 0 ? layers : [none] };
}

function groupReport(
  { products, work }: CostActivations,
  integers: ReadonlySet<string>,
  { name, values, choices }: CostActivations['groups'][number],
  bits: number,
  price: number,
): ActivationGroup {
  const needed = products.filter((p) => p.needs.includes(name) && integers.has(p.weight));
  const worth = work > 0 ? (price * needed.reduce((n, p) => n + p.work, 0)) / work : 0;
  const { damage } = choices.find((c) => c.bits === (bits === 32 ? choices[0]!.bits : bits))!;
  const reason =
    bits !== 32
      ? null
      : needed.length === 0
        ? 'what multiplies it stays in float'
        : worth === 0
          ? 'integers make what multiplies it no faster'
          : damage > worth
            ? 'does more damage than the multiply-adds that need it are worth'
            : 'its operators need other values too, which together do more damage than they are worth';
  return { name, values, bits, damage, worth, reason };
}
