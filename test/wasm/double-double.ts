/**
 * Arithmetic with 106 bits as unevaluated sums of two doubles (Dekker 1971), and in it a plain one-sided Jacobi method:
 * the twin against which singular values are checked.
 */
export type DD = readonly [number, number];

function quickSum(a: number, b: number): DD {
  const s = a + b;
  return [s, b - (s - a)];
}

function twoSum(a: number, b: number): DD {
  const s = a + b;
  const t = s - a;
  return [s, a - (s - t) + (b - t)];
}

function split(a: number): DD {
  const c = 134217729 * a;
  const high = c - (c - a);
  return [high, a - high];
}

function twoProduct(a: number, b: number): DD {
  const p = a * b;
  const [ah, al] = split(a);
  const [bh, bl] = split(b);
  return [p, ah * bh - p + ah * bl + al * bh + al * bl];
}

export function add(a: DD, b: DD): DD {
  const [s, e] = twoSum(a[0], b[0]);
  const [t, f] = twoSum(a[1], b[1]);
  const [u, g] = quickSum(s, e + t);
  return quickSum(u, g + f);
}

export function multiply(a: DD, b: DD): DD {
  const [p, e] = twoProduct(a[0], b[0]);
  return quickSum(p, e + (a[0] * b[1] + a[1] * b[0]));
}

export function negate(a: DD): DD {
  return [-a[0], -a[1]];
}

export function divide(a: DD, b: DD): DD {
  const q = a[0] / b[0];
  const r = add(a, negate(multiply(b, [q, 0])));
  const q2 = r[0] / b[0];
  const r2 = add(r, negate(multiply(b, [q2, 0])));
  return add(quickSum(q, q2), [r2[0] / b[0], 0]);
}

export function squareRoot(a: DD): DD {
  if (a[0] <= 0) return [0, 0];
  const x: DD = [Math.sqrt(a[0]), 0];
  const half: DD = [0.5, 0];
  const once = multiply(half, add(x, divide(a, x)));
  return multiply(half, add(once, divide(a, once)));
}

function dot(x: readonly DD[], y: readonly DD[]): DD {
  let s: DD = [0, 0];
  for (let i = 0; i < x.length; i++) s = add(s, multiply(x[i]!, y[i]!));
  return s;
}

/** Singular values, descending, of a row-major [m, n]; rotates whichever of columns and rows is the more graded. */
export function twinSingularValues(a: ArrayLike<number>, m: number, n: number): number[] {
  const columns = Array.from({ length: n }, (_, j) => Array.from({ length: m }, (_, i): DD => [a[i * n + j]!, 0]));
  const rows = Array.from({ length: m }, (_, i) => Array.from({ length: n }, (_, j): DD => [a[i * n + j]!, 0]));
  const spread = (v: DD[][]) => {
    const norms = v.map((x) => Math.max(...x.map((e) => Math.abs(e[0])))).filter((s) => s > 0);
    return Math.max(...norms) / Math.min(...norms);
  };
  const byRows = m < n || (m === n && spread(rows) > spread(columns));
  const vectors = byRows ? rows : columns;
  const one: DD = [1, 0];
  for (let sweep = 0; sweep < 40; sweep++) {
    let rotated = false;
    vectors.sort((x, y) => dot(y, y)[0] - dot(x, x)[0]);
    for (let i = 0; i < vectors.length; i++) {
      for (let j = i + 1; j < vectors.length; j++) {
        const [x, y] = [vectors[i]!, vectors[j]!];
        const [alpha, beta, gamma] = [dot(x, x), dot(y, y), dot(x, y)];
        if (Math.abs(gamma[0]) <= 1e-30 * Math.sqrt(alpha[0]) * Math.sqrt(beta[0])) continue;
        rotated = true;
        const zeta = divide(add(beta, negate(alpha)), multiply([2, 0], gamma));
        const magnitude: DD = zeta[0] < 0 ? negate(zeta) : zeta;
        const root: DD = magnitude[0] > 1e30 ? magnitude : squareRoot(add(one, multiply(zeta, zeta)));
        const size = divide(one, add(magnitude, root));
        const t = zeta[0] < 0 ? negate(size) : size;
        const c = divide(one, squareRoot(add(one, multiply(t, t))));
        const s = multiply(c, t);
        vectors[i] = x.map((e, l) => add(multiply(c, e), negate(multiply(s, y[l]!))));
        vectors[j] = x.map((e, l) => add(multiply(s, e), multiply(c, y[l]!)));
      }
    }
    if (!rotated) {
      const values = vectors.map((x) => squareRoot(dot(x, x))[0]).sort((x, y) => y - x);
      return values.slice(0, Math.min(m, n));
    }
  }
  throw new Error('the twin did not converge');
}
