import { float, int, ints, list, string } from '../compare.ts';
import { ALL, type Family, FLOATS, type Generator, NUMBERS } from './draw.ts';

/** Reductions and what else works along axes. */

const REDUCED = ['float', 'double', 'float16', 'int32', 'int64', 'int8', 'uint8', 'uint32', 'uint64'] as const;

function reduction(types: readonly (typeof REDUCED)[number][], lo: number, hi: number, inputSince = 18): Generator {
  return (d) => {
    const opset = d.int(7, 25);
    // No sizes of 0: the specification asks for the neutral element then, onnxruntime 1.30 gives other shapes.
    const dims = d.dims(0, 4, 6);
    const x = d.tensor(d.dtype(types), dims, lo, hi);
    const axes = dims.length > 0 ? d.maybe(() => d.axes(dims.length), 0.8) : d.maybe(() => [], 0.3);
    const attributes = d.chance() ? { keepdims: int(d.int(0, 1)) } : {};
    if (opset < inputSince) {
      const plain = opset < 11 ? axes?.map((a) => (a < 0 ? a + dims.length : a)) : axes;
      return {
        inputs: [x],
        attributes: { ...attributes, ...(plain?.length ? { axes: ints(...plain) } : {}) },
        c: { opset },
      };
    }
    const noop = d.chance(0.3) ? { noop_with_empty_axes: int(1) } : {};
    const given = d.chance(0.1) ? [] : axes;
    return {
      inputs: given === undefined ? [x] : [x, list(...given)],
      attributes: { ...attributes, ...noop },
      c: {
        opset,
        ...(d.chance() && given ? { constants: [1] } : {}),
        rtol: 1e-3,
        atol: x.dtype === 'float16' ? 2e-2 : 1e-5,
      },
    };
  };
}

const alongAxis =
  (since: number, types = FLOATS): Generator =>
  (d) => {
    const opset = d.int(since, 25);
    const dims = d.dims(opset < 13 ? 1 : 0, 4, 6, true);
    const axis = dims.length === 0 ? d.pick([0, -1]) : d.axis(dims.length);
    return {
      inputs: [d.tensor(d.dtype(types), dims, -5, 5)],
      attributes: d.chance(0.7) ? { axis: int(opset < 11 && axis < 0 ? axis + dims.length : axis) } : {},
      c: { opset },
    };
  };

const arg: Generator = (d) => {
  const opset = d.int(7, 25);
  const dims = d.dims(1, 4, 6);
  const axis = d.axis(dims.length);
  return {
    inputs: [d.whole(d.dtype(NUMBERS), dims)],
    attributes: {
      ...(d.chance(0.8) ? { axis: int(opset < 11 && axis < 0 ? axis + dims.length : axis) } : {}),
      ...(d.chance() ? { keepdims: int(d.int(0, 1)) } : {}),
      ...(opset >= 12 && d.chance() ? { select_last_index: int(d.int(0, 1)) } : {}),
    },
    c: { opset },
  };
};

export const rows: Family = {
  ReduceSum: reduction(REDUCED, -9, 9, 13),
  ReduceMean: reduction(REDUCED, -9, 9),
  ReduceMax: reduction(REDUCED, -9, 9),
  ReduceMin: reduction(REDUCED, -9, 9),
  ReduceProd: reduction(REDUCED, -2, 2),
  ReduceSumSquare: reduction(REDUCED, -5, 5),
  ReduceL1: reduction(REDUCED, -5, 5),
  ReduceL2: reduction(REDUCED, -5, 5),
  ReduceLogSum: reduction(['float', 'double', 'float16'], 0.1, 5),
  ReduceLogSumExp: reduction(['float', 'double', 'float16'], -9, 9),
  ReduceMax_bool: (d) => {
    const dims = d.dims(1, 4, 5);
    return {
      op: d.pick(['ReduceMax', 'ReduceMin']),
      inputs: [d.tensor('bool', dims), list(...d.axes(dims.length))],
      attributes: { keepdims: int(d.int(0, 1)) },
      c: { opset: d.int(20, 25) },
    };
  },
  ArgMax: arg,
  ArgMin: arg,
  Softmax: alongAxis(7),
  LogSoftmax: alongAxis(7),
  Hardmax: alongAxis(7),
  CumSum: (d) => {
    const dims = d.dims(1, 4, 6, true);
    const dtype = d.dtype(['float', 'double', 'int32', 'int64']);
    const axis = d.axis(dims.length);
    return {
      inputs: [d.tensor(dtype, dims, -9, 9), d.values(d.pick(['int32', 'int64']), d.chance() ? [] : [1], [axis])],
      attributes: {
        ...(d.chance() ? { exclusive: int(d.int(0, 1)) } : {}),
        ...(d.chance() ? { reverse: int(d.int(0, 1)) } : {}),
      },
      c: { opset: d.int(11, 25), atol: 1e-4 },
    };
  },
  LpNormalization: (d) => {
    const dims = d.dims(1, 4, 6);
    return {
      inputs: [d.tensor(d.pick(FLOATS), dims)],
      attributes: {
        ...(d.chance() ? { axis: int(d.axis(dims.length)) } : {}),
        ...(d.chance() ? { p: int(d.int(1, 2)) } : {}),
      },
      c: { opset: d.int(7, 25) },
    };
  },
  MeanVarianceNormalization: (d) => ({
    inputs: [d.tensor('float', [d.dim(3), d.dim(4), d.dim(5), d.dim(5) + 1])],
    attributes: d.chance()
      ? {
          axes: ints(
            ...d.pick([
              [0, 2, 3],
              [2, 3],
              [1, 2, 3],
              [0, 1, 2, 3],
            ]),
          ),
        }
      : {},
    c: { opset: d.int(9, 25), rtol: 1e-3, atol: 1e-3 },
  }),
  LRN: (d) => ({
    inputs: [
      d.tensor(
        d.pick(FLOATS),
        d.dims(3, 4, 5).map((n) => n + 1),
        -9,
        9,
      ),
    ],
    attributes: {
      size: int(d.pick([1, 3, 5, 7])),
      ...(d.chance() ? { alpha: float(d.real(0, 1)) } : {}),
      ...(d.chance() ? { beta: float(d.real(0, 1)) } : {}),
      ...(d.chance() ? { bias: float(d.real(1, 2)) } : {}),
    },
    c: { opset: d.int(7, 25) },
  }),
  TopK: (d) => {
    const opset = d.int(7, 25);
    const dims = d.dims(1, 4, 6);
    const axis = opset < 11 ? d.int(0, dims.length - 1) : d.axis(dims.length);
    const size = dims[(axis + dims.length) % dims.length]!;
    const dtype = opset < 11 ? d.pick(['float', 'double'] as const) : d.pick(NUMBERS);
    const x = d.chance() ? d.whole(dtype, dims) : d.distinct(dtype, dims);
    const k = d.int(0, size);
    const attributes = d.chance(0.8) ? { axis: int(axis) } : {};
    const last = 'axis' in attributes ? k : Math.min(k, dims[dims.length - 1]!);
    if (opset < 10) return { inputs: [x], attributes: { ...attributes, k: int(last || 1) }, c: { opset, outputs: 2 } };
    const more = opset < 11 ? {} : d.chance() ? { largest: int(d.int(0, 1)), sorted: int(1) } : {};
    return { inputs: [x, list(last)], attributes: { ...attributes, ...more }, c: { opset, outputs: 2 } };
  },
  NonZero: (d) => ({ inputs: [d.whole(d.pick(ALL), d.dims(1, 4, 5, true), -1, 1)], c: { opset: d.int(9, 25) } }),
  Unique: (d) => {
    const dims = d.dims(1, 3, 5);
    const x = d.whole(d.pick(['float', 'double', 'int64', 'int8'] as const), dims, -2, 2);
    return {
      inputs: [x],
      attributes: {
        ...(d.chance() ? { axis: int(d.axis(dims.length)) } : {}),
        ...(d.chance() ? { sorted: int(d.int(0, 1)) } : {}),
      },
      c: { opset: d.int(11, 25), outputs: d.int(1, 4) },
    };
  },
  Trilu: (d) => {
    const dims = d.dims(2, 4, 6, true);
    const k = d.maybe(() => d.values('int64', [], [d.int(-7, 7)]));
    const x = d.tensor(d.pick(ALL), dims);
    return {
      inputs: k ? [x, k] : [x],
      attributes: d.chance() ? { upper: int(d.int(0, 1)) } : {},
      c: { opset: d.int(14, 25) },
    };
  },
  Einsum: (d) => {
    const size: Record<string, number> = {};
    for (const c of 'ijkl') size[c] = d.dim(5);
    const equation = d.pick([
      'ij,jk->ik',
      'ij,jk',
      'ii->i',
      'ii',
      'ij->ji',
      'i,i->',
      'i,j->ij',
      'bij,bjk->bik',
      'ij->',
      'ijk->kj',
      'i j , k j -> i k',
      '...ij,...jk->...ik',
      '...i->...',
      'ijkl,jl->ik',
      'ij,ij,ij->i',
      '...ij->...ji',
      'ij,k->kij',
      'iji->j',
      'ijk,lk->ijl',
    ]);
    const terms = equation.replaceAll(' ', '').split('->')[0]!.split(',');
    const many = d.dims(0, 2, 3);
    const dtype = d.dtype(['float', 'double', 'int32', 'int64']);
    const inputs = terms.map((t) => {
      const lead = t.includes('...') ? many : [];
      return d.tensor(dtype, [...lead, ...[...t.replace('...', '')].map((c) => size[c] ?? 3)], -3, 3);
    });
    return { inputs, attributes: { equation: string(equation) }, c: { opset: d.int(12, 25), atol: 1e-4 } };
  },
};
