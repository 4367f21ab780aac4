import { exp } from './exp.ts';
import {
  attribute,
  inputCount,
  maxAbs,
  type OperatorCurvature,
  type OperatorFacts,
  type Range,
  registerCurvature,
  repeats,
  single,
  times,
  unbounded,
} from './registry.ts';

/**
 * Operators whose derivatives are bounded on a range only: the constants hold for inputs within the calibrated range or norm,
 * and are exact there.
 */
function onRange(op: string, f: (range: Range) => readonly [lipschitz: number, secondDerivative: number]): void {
  registerCurvature(op, (facts) => {
    const range = facts.ranges?.[0];
    if (!range) return unbounded('no calibrated range');
    const [l, d] = f(range);
    return single(l, d, true, `on the calibrated range [${range.min}, ${range.max}]`);
  });
}

const positive = (range: Range, value: () => readonly [number, number]): readonly [number, number] =>
  range.min > 0 ? value() : [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY];

onRange('Exp', ({ max }) => [exp(max), exp(max)]);
onRange('Log', (r) => positive(r, () => [1 / r.min, 1 / (r.min * r.min)]));
onRange('Sqrt', (r) => positive(r, () => [1 / (2 * Math.sqrt(r.min)), 1 / (4 * r.min * Math.sqrt(r.min))]));
onRange('Reciprocal', (r) => {
  const least = leastAbs(r);
  return [1 / (least * least), 2 / (least * least * least)];
});

/** Least absolute value on a range; 0 where it holds 0. */
function leastAbs({ min, max }: Range): number {
  return min > 0 ? min : max < 0 ? -max : 0;
}

function greatestAbs({ min, max }: Range): number {
  return Math.max(Math.abs(min), Math.abs(max));
}

/** x to a constant exponent. Whole and half exponents are exact; others lie below the larger of their two neighbours. */
registerCurvature('Pow', (facts) => {
  const p = facts.constants?.[1];
  const range = facts.ranges?.[0];
  if (p?.length !== 1) return unbounded('no single constant exponent', 2);
  if (!range) return unbounded('no calibrated range', 2);
  const e = p[0]!;
  const l = times(Math.abs(e), largestPower(range, e - 1));
  const d = times(Math.abs(e * (e - 1)), largestPower(range, e - 2));
  const exact = Number.isInteger(2 * e);
  return { ...single(l, d, exact, `x^${e} on the calibrated range [${range.min}, ${range.max}]`), perInput: [l, 0] };
});

/** Largest |x|^q on a range. */
function largestPower(range: Range, q: number): number {
  if (q === 0) return 1;
  const at = q > 0 ? greatestAbs(range) : leastAbs(range);
  if (at === 0) return q > 0 ? 0 : Number.POSITIVE_INFINITY;
  if (!Number.isInteger(q) && range.min < 0) return Number.POSITIVE_INFINITY;
  return Math.max(halfPower(at, Math.floor(2 * q)), halfPower(at, Math.ceil(2 * q)));
}

/** x^(n/2), x > 0. */
function halfPower(x: number, n: number): number {
  if (Math.abs(n) > 4096) return Number.POSITIVE_INFINITY;
  const root = Math.sqrt(x);
  const step = n % 2 === 0 ? x : root;
  const times = n % 2 === 0 ? Math.abs(n) / 2 : Math.abs(n);
  let y = 1;
  for (let i = 0; i < times; i++) y *= step;
  return n < 0 ? 1 / y : y;
}

/** Constants with input i repeated r_i times by broadcasting, a linear map of norm sqrt r_i before the operator. */
function broadcast(
  facts: OperatorFacts,
  perInput: readonly number[],
  joint: number,
  second: number,
  exact: boolean,
  note: string,
): OperatorCurvature {
  const r = perInput.map((_, i) => (facts.constants?.[i] ? 1 : repeats(facts, i)));
  const most = Math.max(...r);
  const d = times(second, most);
  return {
    lipschitz: times(joint, Math.sqrt(most)),
    perInput: perInput.map((l, i) => times(l, Math.sqrt(r[i]!))),
    secondDerivative: d,
    kappa: d / 2,
    exact: exact && most === 1,
    note,
  };
}

registerCurvature('Mul', (facts) => {
  const [a, b] = [facts.constants?.[0], facts.constants?.[1]];
  if (a || b) {
    const l = maxAbs((a ?? b)!);
    return broadcast(facts, a ? [0, l] : [l, 0], l, 0, true, 'linear: the largest constant');
  }
  const [ra, rb] = [facts.ranges?.[0], facts.ranges?.[1]];
  const perInput = [rb ? greatestAbs(rb) : Number.POSITIVE_INFINITY, ra ? greatestAbs(ra) : Number.POSITIVE_INFINITY];
  // |D^2| = |2 h1 h2| <= |h1|^2 + |h2|^2 = 1, attained: kappa is 1/2 whatever the range.
  const joint = Math.sqrt(perInput[0]! * perInput[0]! + perInput[1]! * perInput[1]!);
  return broadcast(facts, perInput, joint, 1, true, 'bilinear: kappa = 1/2; Lipschitz on the calibrated range');
});

registerCurvature('Div', (facts) => {
  const [a, b] = [facts.constants?.[0], facts.constants?.[1]];
  if (b) {
    let least = Number.POSITIVE_INFINITY;
    for (let i = 0; i < b.length; i++) least = Math.min(least, Math.abs(b[i]!));
    return broadcast(facts, [1 / least, 0], 1 / least, 0, true, 'linear: the smallest constant');
  }
  const ry = facts.ranges?.[1];
  const x = a ? maxAbs(a) : facts.ranges?.[0] ? greatestAbs(facts.ranges[0]) : Number.POSITIVE_INFINITY;
  const y = ry ? leastAbs(ry) : 0;
  if (y === 0 || x === Number.POSITIVE_INFINITY)
    return unbounded('no calibrated range, or a denominator that reaches 0', 2);
  if (a)
    return broadcast(
      facts,
      [0, x / (y * y)],
      x / (y * y),
      (2 * x) / (y * y * y),
      true,
      'constant over a calibrated range',
    );
  // Hessian of x/y: [[0, -1/y^2], [-1/y^2, 2x/y^3]]; its norm is |x|/|y|^3 + sqrt(x^2/y^6 + 1/y^4).
  const c = x / (y * y * y);
  const second = c + Math.sqrt(c * c + 1 / (y * y * y * y));
  return broadcast(
    facts,
    [1 / y, x / (y * y)],
    Math.sqrt(1 / (y * y) + (x * x) / (y * y * y * y)),
    second,
    true,
    'on the calibrated ranges',
  );
});

/** A weighted layer in its input, or the bilinear map of two activations. */
function product(facts: OperatorFacts, scale: number): OperatorCurvature {
  const constant = facts.constants?.[0] ? 0 : facts.constants?.[1] ? 1 : -1;
  if (constant >= 0 || facts.operatorNorm !== undefined) {
    const l = Math.abs(scale) * (facts.operatorNorm ?? Number.POSITIVE_INFINITY);
    const note =
      facts.operatorNorm === undefined
        ? 'the norm of the weight was not computed'
        : "linear in its input: the operator's norm";
    return { ...single(l, 0, true, note), perInput: constant === 0 ? [0, l] : [l, 0] };
  }
  const [na, nb] = [facts.norms?.[0] ?? Number.POSITIVE_INFINITY, facts.norms?.[1] ?? Number.POSITIVE_INFINITY];
  const s = Math.abs(scale);
  return broadcast(
    { ...facts, ...batchShapes(facts) },
    [times(s, nb), times(s, na)],
    times(s, Math.sqrt(na * na + nb * nb)),
    s,
    false,
    'bilinear: kappa = 1/2; Lipschitz from the calibrated norms',
  );
}

/** Only the batch dimensions of a matrix product are broadcast. */
function batchShapes(facts: OperatorFacts): Pick<OperatorFacts, 'dims' | 'outputDims'> {
  return { dims: facts.dims?.map((d) => d?.slice(0, -2)), outputDims: facts.outputDims?.slice(0, -2) };
}

registerCurvature('MatMul', (facts) => product(facts, 1));
registerCurvature('Gemm', (facts) => product(facts, attribute(facts, 'alpha', 1)));
for (const op of ['Conv', 'ConvTranspose']) {
  registerCurvature(op, (facts) => {
    const note =
      facts.operatorNorm === undefined
        ? 'the norm of the convolution was not computed'
        : "linear in its input: the operator's norm";
    const l = facts.operatorNorm ?? Number.POSITIVE_INFINITY;
    return {
      ...single(l, 0, false, note),
      perInput: new Array<number>(inputCount(facts, 2)).fill(0).map((_, i) => (i === 0 ? l : 0)),
    };
  });
}
