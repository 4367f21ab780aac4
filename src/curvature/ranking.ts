import type { CostTable } from '../allocate/types.ts';

/** How well predicted damages order, and match, true ones. null where it is not defined: fewer than two, or all tied. */
export interface Agreement {
  /** Pairs of damages compared. */
  readonly count: number;
  /** Rank correlation, -1..1 (C. Spearman, 1904); ties have their mean rank. */
  readonly spearman: number | null;
  /** Kendall's tau-b, -1..1 (M. G. Kendall, "The treatment of ties in ranking problems", 1945). */
  readonly kendall: number | null;
  /** Median of predicted / true where both are above 0; null for a proxy, whose damages have no unit. */
  readonly medianRatio: number | null;
  /** Largest / smallest of these ratios: 1 for a metric that is off by one factor alone. */
  readonly ratioSpread: number | null;
}

/** A metric's table against the truth. */
export interface RankAgreement extends Agreement {
  readonly metric: string;
  /** The metric whose measured damages count as true. */
  readonly truth: string;
  /** Of the layers at one width each. The agreement itself is over all layers and widths together. */
  readonly widths: readonly (Agreement & { readonly bits: number })[];
}

/**
 * Rank agreement of a cost table with measured truth: over every layer and width of both whose true damage was measured.
 * @param truth only its measured choices count; the float ones never do
 */
export function rankAgreement(table: CostTable, truth: CostTable): RankAgreement {
  const predicted = new Map(
    table.layers.flatMap((l) => l.choices.map((c) => [`${c.bits} ${l.weight}`, c.damage] as const)),
  );
  const points = truth.layers.flatMap((l) =>
    l.choices.flatMap(({ bits, damage, measured }) => {
      const guess = predicted.get(`${bits} ${l.weight}`);
      return measured && bits !== 32 && guess !== undefined ? [{ bits, guess, damage }] : [];
    }),
  );
  const units = table.unit !== 'proxy' && truth.unit === table.unit;
  const agreement = (of: typeof points): Agreement =>
    agreementOf(
      of.map((p) => [p.guess, p.damage]),
      units,
    );
  const widths = [...new Set(points.map((p) => p.bits))].sort((a, b) => a - b);
  return {
    metric: table.metric,
    truth: truth.metric,
    ...agreement(points),
    widths: widths.map((bits) => ({ bits, ...agreement(points.filter((p) => p.bits === bits)) })),
  };
}

function agreementOf(pairs: readonly (readonly [predicted: number, actual: number])[], units: boolean): Agreement {
  const x = pairs.map(([p]) => p);
  const y = pairs.map(([, a]) => a);
  const ratios = units ? pairs.flatMap(([p, a]) => (p > 0 && a > 0 ? [p / a] : [])) : [];
  ratios.sort((a, b) => a - b);
  return {
    count: pairs.length,
    spearman: spearman(x, y),
    kendall: kendall(x, y),
    medianRatio: median(ratios),
    ratioSpread: ratios.length > 0 ? ratios.at(-1)! / ratios[0]! : null,
  };
}

/** Pearson's correlation of the ranks; null where either list is all the same. */
export function spearman(x: readonly number[], y: readonly number[]): number | null {
  const [a, b] = [ranks(x), ranks(y)];
  const mean = (x.length + 1) / 2;
  let both = 0;
  let left = 0;
  let right = 0;
  for (let i = 0; i < a.length; i++) {
    both += (a[i]! - mean) * (b[i]! - mean);
    left += (a[i]! - mean) * (a[i]! - mean);
    right += (b[i]! - mean) * (b[i]! - mean);
  }
  return left > 0 && right > 0 ? both / Math.sqrt(left * right) : null;
}

/** Ranks from 1, equal numbers with their mean one. */
function ranks(x: readonly number[]): number[] {
  const order = x.map((_, i) => i).sort((a, b) => x[a]! - x[b]!);
  const out = new Array<number>(x.length).fill(0);
  for (let start = 0; start < order.length; ) {
    let end = start + 1;
    while (end < order.length && x[order[end]!] === x[order[start]!]) end++;
    for (let i = start; i < end; i++) out[order[i]!] = (start + 1 + end) / 2;
    start = end;
  }
  return out;
}

/** (concordant - discordant) / sqrt((pairs not tied in x) (pairs not tied in y)); null where either is 0. */
export function kendall(x: readonly number[], y: readonly number[]): number | null {
  let balance = 0;
  let left = 0;
  let right = 0;
  for (let i = 0; i < x.length; i++)
    for (let j = 0; j < i; j++) {
      const a = Math.sign(x[i]! - x[j]!);
      const b = Math.sign(y[i]! - y[j]!);
      balance += a * b;
      left += a * a;
      right += b * b;
    }
  return left > 0 && right > 0 ? balance / Math.sqrt(left * right) : null;
}

function median(sorted: readonly number[]): number | null {
  const n = sorted.length;
  if (n === 0) return null;
  return n % 2 === 1 ? sorted[(n - 1) / 2]! : (sorted[n / 2 - 1]! + sorted[n / 2]!) / 2;
}
