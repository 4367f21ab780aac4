import { exp2, log2 } from '../math.ts';
import type { Item } from './problem.ts';
import { fill, repair, type Strategy } from './strategy.ts';

const STEPS = 80;
const { LN2 } = Math;

/**
 * The seed document's second strategy: gradient descent on the relaxed problem, then rounding. Each item's costs are fitted by
 * a 2^(-r b) (r = 1 on the document's own table, about 2 on measured ones), its bytes by a line in b; the widths are real
 * numbers. A step moves against the gradient scaled by the diagonal second derivative, at most one bit an item, and is
 * projected onto the budget: minimise the scaled distance subject to sum of bytes <= budget, which has one multiplier.
 */
export const gradient: Strategy = (problem, budget) => {
  const curves = problem.items.map(fit);
  const widths = Float64Array.from(curves, (c) => c.hi);
  project(
    curves,
    widths,
    budget,
    curves.map(() => 1),
  );
  for (let step = 0; step < STEPS; step++) {
    const scales = curves.map((c, i) => Math.max(c.a * exp2(-c.r * widths[i]!) * (c.r * LN2) * (c.r * LN2), 1e-290));
    for (let i = 0; i < curves.length; i++) {
      const c = curves[i]!;
      // Newton step of a 2^(-r b): gradient over second derivative is -1 / (r ln 2).
      widths[i]! += c.a > 0 ? Math.min(1, 1 / (c.r * LN2)) : 0;
    }
    project(curves, widths, budget, scales);
  }
  const selection = Int32Array.from(problem.items, ({ options }, i) => nearestOption(options, widths[i]!));
  repair(problem, selection, budget);
  fill(problem, selection, budget);
  return { selection, lowerBound: null };
};

interface Curve {
  /** cost ~ a 2^(-r bits) */
  readonly a: number;
  readonly r: number;
  /** bytes ~ base + perBit * bits */
  readonly base: number;
  readonly perBit: number;
  readonly lo: number;
  readonly hi: number;
}

/** Least squares on log2 cost and on bytes. */
function fit(item: Item): Curve {
  const { options } = item;
  const lo = options[0]!.bits;
  const hi = options[options.length - 1]!.bits;
  const line = regress(options.map((o) => [o.bits, o.bytes]));
  const logs = regress(options.filter((o) => o.cost > 0).map((o) => [o.bits, log2(o.cost)]));
  if (!logs) return { a: 0, r: 1, base: line?.at0 ?? 0, perBit: line?.slope ?? 0, lo, hi };
  const r = Math.min(8, Math.max(0.05, -logs.slope));
  const mean = options.reduce((n, o) => n + o.bits, 0) / options.length;
  return {
    a: exp2(logs.at0 + logs.slope * mean + r * mean),
    r,
    base: line!.at0,
    perBit: Math.max(line!.slope, 0),
    lo,
    hi,
  };
}

function regress(points: readonly (readonly number[])[]): { slope: number; at0: number } | null {
  if (points.length === 0) return null;
  const n = points.length;
  const mx = points.reduce((s, p) => s + p[0]!, 0) / n;
  const my = points.reduce((s, p) => s + p[1]!, 0) / n;
  let xx = 0;
  let xy = 0;
  for (const p of points) {
    xx += (p[0]! - mx) * (p[0]! - mx);
    xy += (p[0]! - mx) * (p[1]! - my);
  }
  const slope = xx > 0 ? xy / xx : 0;
  return { slope, at0: my - slope * mx };
}

/**
 * Nearest point, in the metric of `scales`, with widths in [lo, hi] and bytes within the budget: b_l - m perBit_l / scale_l for
 * the least m >= 0 that fits, found by bisection.
 */
function project(curves: readonly Curve[], widths: Float64Array, budget: number, scales: readonly number[]): void {
  const at = (c: Curve, i: number, m: number): number =>
    Math.min(c.hi, Math.max(c.lo, widths[i]! - (m * c.perBit) / scales[i]!));
  const bytes = (m: number): number => curves.reduce((n, c, i) => n + c.base + c.perBit * at(c, i, m), 0);
  let m = 0;
  if (bytes(0) > budget) {
    let lo = 0;
    let hi = 1e-300;
    while (bytes(hi) > budget && hi < 1e300) {
      lo = hi;
      hi *= 16;
    }
    for (let step = 0; step < 60; step++) {
      const mid = (lo + hi) / 2;
      if (bytes(mid) > budget) lo = mid;
      else hi = mid;
    }
    m = hi;
  }
  curves.forEach((c, i) => {
    widths[i] = at(c, i, m);
  });
}

/** The nearest option in width; the wider of two equally near, what is too much is repaired. */
function nearestOption(options: readonly { readonly bits: number }[], bits: number): number {
  let best = 0;
  for (let j = 1; j < options.length; j++) {
    if (Math.abs(options[j]!.bits - bits) <= Math.abs(options[best]!.bits - bits)) best = j;
  }
  return best;
}
