/** Naive numerical helpers the curvature tests check constants with. */

export type Vector = readonly number[];
export type Mapping = (x: Vector) => number[];

export const norm = (x: Vector): number => Math.sqrt(x.reduce((s, v) => s + v * v, 0));
export const scaled = (x: Vector, s: number): number[] => x.map((v) => v * s);
export const added = (x: Vector, y: Vector, s = 1): number[] => x.map((v, i) => v + s * y[i]!);

/** erf to about 1e-15: its series near 0, a continued fraction of erfc beyond. */
export function erf(x: number): number {
  const z = Math.abs(x);
  if (z < 2.5) {
    let term = z;
    let sum = z;
    for (let n = 1; n < 80; n++) {
      term *= (-z * z) / n;
      sum += term / (2 * n + 1);
    }
    return Math.sign(x) * (2 / Math.sqrt(Math.PI)) * sum;
  }
  let f = 0;
  for (let k = 120; k >= 1; k--) f = k / 2 / (z + f);
  return Math.sign(x) * (1 - Math.exp(-z * z) / (Math.sqrt(Math.PI) * (z + f)));
}

/** Largest value of g over [lo, hi]: a dense grid, then ternary search around its best points. */
export function maximum(g: (x: number) => number, lo: number, hi: number, points = 4001): number {
  const step = (hi - lo) / (points - 1);
  const grid = Array.from({ length: points }, (_, i) => lo + i * step);
  const best = grid
    .map((x) => [g(x), x] as const)
    .sort((a, b) => b[0] - a[0])
    .slice(0, 3);
  let most = best[0]![0];
  for (const [, x] of best) {
    let [a, b] = [Math.max(lo, x - step), Math.min(hi, x + step)];
    for (let i = 0; i < 60; i++) {
      const [p, q] = [a + (b - a) / 3, b - (b - a) / 3];
      if (g(p) < g(q)) a = p;
      else b = q;
    }
    most = Math.max(most, g((a + b) / 2));
  }
  return most;
}

/** Jacobian by central differences, one row an output. */
export function jacobian(f: Mapping, x: Vector, h = 1e-5): number[][] {
  const columns = x.map((_, i) => {
    const e = x.map((_, j) => (i === j ? h : 0));
    return scaled(added(f(added(x, e)), f(added(x, e, -1)), -1), 1 / (2 * h));
  });
  return columns[0]!.map((_, r) => columns.map((c) => c[r]!));
}

/** Largest singular value by power iteration from several starts. */
export function spectralNorm(a: readonly Vector[]): number {
  let most = 0;
  for (let start = 0; start < 3; start++) {
    let x = a[0]!.map((_, i) => Math.sin(1 + i * (start + 1.7)));
    for (let step = 0; step < 500; step++) {
      const y = a.map((row) => row.reduce((s, v, i) => s + v * x[i]!, 0));
      const length = norm(x);
      if (length === 0) break;
      most = Math.max(most, norm(y) / length);
      x = x.map((_, i) => a.reduce((s, row, r) => s + row[i]! * y[r]!, 0) / length);
      const l = norm(x);
      if (l === 0) break;
      x = scaled(x, 1 / l);
    }
  }
  return most;
}

/** |D^2 f(h, h)| at x by a central second difference, |h| = 1. */
export function secondDifference(f: Mapping, x: Vector, h: Vector, t = 1e-3): number {
  const direction = scaled(h, 1 / norm(h));
  const plus = f(added(x, direction, t));
  const minus = f(added(x, direction, -t));
  const mid = f(x);
  return norm(mid.map((m, i) => (plus[i]! - 2 * m + minus[i]!) / (t * t)));
}

/** Hill climbing from several random starts: the largest value of g found. */
export function climb(
  g: (x: Vector) => number,
  start: () => number[],
  next: () => number,
  starts = 6,
  steps = 400,
): number {
  let most = Number.NEGATIVE_INFINITY;
  for (let s = 0; s < starts; s++) {
    let x = start();
    let value = g(x);
    let size = 0.5;
    for (let step = 0; step < steps; step++) {
      const moved = x.map((v) => v + size * (2 * next() - 1) * (next() < 0.4 ? 1 : 0));
      const v = g(moved);
      if (v > value) {
        x = moved;
        value = v;
        size = Math.min(4, size * 1.3);
      } else size = Math.max(1e-3, size * 0.95);
    }
    most = Math.max(most, value);
  }
  return most;
}
