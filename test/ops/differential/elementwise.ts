import type { DType, Tensor } from '../../../src/tensor.ts';
import { float, int, string } from '../compare.ts';
import { ALL, type Draw, type Family, FLOATS, type Generator, INTEGERS, NUMBERS, SIGNED, UNSIGNED } from './draw.ts';

/** Operators whose elements do not see each other, broadcasting included. */

interface Unary {
  readonly since?: number;
  readonly types?: readonly DType[];
  readonly range?: readonly [number, number];
  readonly attributes?: readonly string[];
}

function unary({ since = 7, types = FLOATS, range = [-4, 4], attributes = [] }: Unary = {}): Generator {
  return (d) => {
    const x = d.tensor(d.dtype(types), d.dims(0, 4, 7, true), range[0], range[1]);
    const drawn = attributes.filter(() => d.chance()).map((name) => [name, float(d.real(0.05, 2))]);
    return { inputs: [x], attributes: Object.fromEntries(drawn), c: { opset: d.int(since, 24) } };
  };
}

export const unaries: Family = {
  Abs: unary({ types: NUMBERS }),
  Neg: unary({ types: [...FLOATS, ...SIGNED] }),
  Sign: unary({ since: 9, types: NUMBERS }),
  Floor: unary(),
  Ceil: unary(),
  Round: unary({ since: 11 }),
  Reciprocal: unary({ range: [0.1, 4] }),
  Sqrt: unary({ range: [0, 9] }),
  Exp: unary(),
  Log: unary({ range: [0.1, 9] }),
  Erf: unary({ since: 9 }),
  Sin: unary({ range: [-20, 20] }),
  Cos: unary({ range: [-20, 20] }),
  Tan: unary({ range: [-1.2, 1.2] }),
  Asin: unary({ range: [-1, 1] }),
  Acos: unary({ range: [-1, 1] }),
  Atan: unary(),
  Sinh: unary({ since: 9 }),
  Cosh: unary({ since: 9 }),
  Asinh: unary({ since: 9 }),
  Acosh: unary({ since: 9, range: [1, 9] }),
  Atanh: unary({ since: 9, range: [-0.9, 0.9] }),
  Relu: unary({ types: [...FLOATS, ...SIGNED] }),
  Sigmoid: unary({ range: [-20, 20] }),
  Tanh: unary(),
  Softplus: unary(),
  Softsign: unary(),
  Mish: unary({ since: 18 }),
  HardSwish: unary({ since: 14, range: [-6, 6] }),
  HardSigmoid: unary({ attributes: ['alpha', 'beta'] }),
  LeakyRelu: unary({ attributes: ['alpha'] }),
  Elu: unary({ attributes: ['alpha'] }),
  Selu: unary({ attributes: ['alpha', 'gamma'] }),
  Celu: unary({ since: 12, attributes: ['alpha'] }),
  ThresholdedRelu: unary({ since: 10, attributes: ['alpha'] }),
  Shrink: unary({ since: 9, types: NUMBERS, attributes: ['lambd', 'bias'] }),
  Swish: unary({ since: 24, attributes: ['alpha'] }),
  Identity: unary({ types: ALL }),
  Not: unary({ types: ['bool'] }),
  BitwiseNot: unary({ since: 18, types: INTEGERS, range: [-100, 100] }),
  Gelu: (d) => ({
    inputs: [d.tensor(d.dtype(FLOATS), d.dims(0, 4, 7, true))],
    attributes: d.chance() ? { approximate: string(d.pick(['none', 'tanh'])) } : {},
    c: { opset: d.int(20, 24) },
  }),
  IsNaN: (d) => ({ inputs: [special(d, d.pick(FLOATS))], c: { opset: d.int(9, 24) } }),
  IsInf: (d) => ({
    inputs: [special(d, d.pick(FLOATS))],
    attributes: {
      ...(d.chance() ? { detect_negative: int(d.int(0, 1)) } : {}),
      ...(d.chance() ? { detect_positive: int(d.int(0, 1)) } : {}),
    },
    c: { opset: d.int(10, 24) },
  }),
};

/** Numbers with NaN, infinities and signed zeros among them. */
function special(d: Draw, dtype: DType): Tensor {
  const dims = d.dims(0, 3, 5, true);
  const from = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0, -0, 1, -2.5];
  const values = Array.from({ length: dims.reduce((a, b) => a * b, 1) }, () => d.pick(from));
  return d.values(dtype, dims, values);
}

function binary(since: number, types: readonly DType[], lo: number, hi: number, whole = false): Generator {
  return (d) => {
    const [a, b] = d.pair(4, true);
    const dtype = d.dtype(types);
    const make = (dims: number[]) => (whole ? d.whole(dtype, dims, lo, hi) : d.tensor(dtype, dims, lo, hi));
    return { inputs: [make(a), make(b)], c: { opset: d.int(since, 24) } };
  };
}

function variadic(types: readonly DType[], since = 8): Generator {
  return (d) => {
    const dims = d.dims(0, 4, 5, true);
    const dtype = d.dtype(types);
    const inputs = Array.from({ length: d.int(1, 4) }, () => d.tensor(dtype, d.narrowed(dims), -9, 9));
    return { inputs, c: { opset: d.int(since, 24) } };
  };
}

const nonZero = (t: Tensor): Tensor => {
  const big = t.dtype === 'int64' || t.dtype === 'uint64';
  for (let i = 0; i < t.data.length; i++) if (!t.data[i]) t.data[i] = big ? 3n : 3;
  return t;
};

export const binaries: Family = {
  Add: binary(7, NUMBERS, -100, 100),
  Sub: binary(7, NUMBERS, -100, 100),
  Mul: binary(7, NUMBERS, -11, 11),
  Div: (d) => {
    const [a, b] = d.pair(4, true);
    const dtype = d.dtype(NUMBERS);
    return {
      inputs: [d.tensor(dtype, a, -100, 100), nonZero(d.tensor(dtype, b, -9, 9))],
      c: { opset: d.int(7, 24) },
    };
  },
  Mod: (d) => {
    const [a, b] = d.pair(3, true);
    const dtype = d.dtype(NUMBERS);
    const fmod = FLOATS.includes(dtype) || d.chance(0.4);
    return {
      inputs: [d.tensor(dtype, a, -100, 100), nonZero(d.tensor(dtype, b, -9, 9))],
      attributes: fmod ? { fmod: int(1) } : {},
      c: { opset: d.int(10, 24) },
    };
  },
  Pow: (d) => {
    const [a, b] = d.pair(3, true);
    const opset = d.int(7, 24);
    const base = d.dtype(['float', 'double', 'int32', 'int64', 'float16']);
    const exponent = opset < 12 ? base : d.pick(['float', 'double', 'int32', 'int64', base] as const);
    const whole = !FLOATS.includes(base);
    return {
      inputs: [
        whole ? d.whole(base, a, -3, 4) : d.tensor(base, a, 0.1, 3),
        whole ? d.whole(exponent, b, 0, 5) : d.tensor(exponent, b, -3, 4),
      ],
      c: { opset },
    };
  },
  Pow_whole: (d) => {
    const [a, b] = d.pair(3, true);
    const dtype = d.pick(FLOATS);
    return { inputs: [d.tensor(dtype, a, -2, 2), d.whole(dtype, b, 0, 4)], c: { opset: d.int(7, 24) } };
  },
  PRelu: (d) => {
    const dims = d.dims(0, 4, 6, true);
    const dtype = d.dtype(NUMBERS);
    return { inputs: [d.tensor(dtype, dims), d.tensor(dtype, d.narrowed(dims))], c: { opset: d.int(7, 24) } };
  },
  BitShift: (d) => {
    const [a, b] = d.pair(3, true);
    const dtype = d.pick(UNSIGNED);
    return {
      inputs: [d.tensor(dtype, a, 0, 200), d.tensor(dtype, b, 0, 7)],
      attributes: { direction: string(d.pick(['LEFT', 'RIGHT'])) },
      c: { opset: d.int(11, 24) },
    };
  },
  BitwiseAnd: binary(18, INTEGERS, -100, 100),
  BitwiseOr: binary(18, INTEGERS, -100, 100),
  BitwiseXor: binary(18, INTEGERS, -100, 100),
  And: binary(7, ['bool'], 0, 1),
  Or: binary(7, ['bool'], 0, 1),
  Xor: binary(7, ['bool'], 0, 1),
  Equal: binary(7, ALL, -2, 2, true),
  Less: binary(7, NUMBERS, -2, 2, true),
  Greater: binary(7, NUMBERS, -2, 2, true),
  LessOrEqual: binary(12, NUMBERS, -2, 2, true),
  GreaterOrEqual: binary(12, NUMBERS, -2, 2, true),
  Max: variadic(NUMBERS),
  Min: variadic(NUMBERS),
  Sum: variadic(FLOATS),
  Mean: variadic(FLOATS),
  Where: (d) => {
    const dims = d.dims(0, 4, 5, true);
    const dtype = d.dtype(ALL);
    return {
      inputs: [
        d.tensor('bool', d.narrowed(dims)),
        d.tensor(dtype, d.narrowed(dims)),
        d.tensor(dtype, d.narrowed(dims)),
      ],
      c: { opset: d.int(9, 24) },
    };
  },
  Clip: (d) => {
    const opset = d.int(7, 24);
    const dtype = d.dtype(opset < 11 ? ['float'] : NUMBERS);
    const x = d.tensor(dtype, d.dims(0, 4, 6, true), -9, 9);
    const lo = d.int(0, 2);
    const hi = d.int(0, 5);
    if (opset < 11) {
      return {
        inputs: [x],
        attributes: { ...(d.chance() ? { min: float(-lo) } : {}), ...(d.chance() ? { max: float(hi) } : {}) },
        c: { opset },
      };
    }
    const bound = (v: number) => d.values(dtype, [], [v]);
    const inputs = [x, d.maybe(() => bound(lo)), d.maybe(() => bound(hi))];
    while (inputs[inputs.length - 1] === undefined) inputs.pop();
    return { inputs, c: { opset } };
  },
  Cast: (d) => {
    const from = d.pick(ALL);
    const to = d.pick([1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13]);
    return {
      inputs: [d.tensor(from, d.dims(0, 3, 6, true), 0, 120)],
      attributes: { to: int(to) },
      c: { opset: d.int(9, 24) },
    };
  },
  Cast_negative: (d) => {
    const from = d.pick([...FLOATS, ...SIGNED]);
    const to = d.pick(from.startsWith('i') ? [1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13] : [1, 3, 5, 6, 7, 9, 10, 11]);
    return {
      inputs: [d.tensor(from, d.dims(0, 3, 6), -120, 120)],
      attributes: { to: int(to) },
      c: { opset: d.int(9, 24) },
    };
  },
  CastLike: (d) => ({
    inputs: [d.tensor(d.pick(ALL), d.dims(0, 3, 6, true), 0, 120), d.tensor(d.pick(ALL), [1])],
    c: { opset: d.int(15, 24) },
  }),
};
