import type { DType } from '../../../src/tensor.ts';
import { int, string } from '../compare.ts';
import { ALL, type Draw, type Family, NUMBERS, type Sample } from './draw.ts';

/** Operators that read and write at indices. */

const indexType = (d: Draw): DType => d.pick(['int64', 'int32']);

/** Indices below n; negative ones where the version takes them. */
const indices = (d: Draw, dtype: DType, dims: number[], n: number, negative: boolean) =>
  d.whole(dtype, dims, negative ? -n : 0, n - 1);

function gatherElements(d: Draw): Sample {
  const dims = d.dims(1, 4, 5);
  const axis = d.axis(dims.length);
  const at = (axis + dims.length) % dims.length;
  const own = dims.map((n, i) => (i === at ? d.int(1, 6) : d.int(1, n)));
  return {
    inputs: [d.tensor(d.pick(ALL), dims), indices(d, indexType(d), own, dims[at]!, true)],
    attributes: d.chance(0.8) || at !== 0 ? { axis: int(axis) } : {},
    c: { opset: d.int(11, 25) },
  };
}

function tuples(d: Draw, dims: readonly number[], lead: readonly number[], k: number, batch = 0) {
  const count = lead.reduce((a, b) => a * b, 1);
  const values: number[] = [];
  for (let i = 0; i < count; i++)
    for (let j = 0; j < k; j++) values.push(d.int(-dims[batch + j]!, dims[batch + j]! - 1));
  return d.values('int64', [...lead, k], values);
}

function scatterElements(d: Draw, op: string): Sample {
  const opset = op === 'Scatter' ? d.int(9, 10) : d.int(11, 25);
  const dims = d.dims(1, 4, 5);
  const axis = opset < 11 ? d.int(0, dims.length - 1) : d.axis(dims.length);
  const at = (axis + dims.length) % dims.length;
  const reduction =
    opset >= 18 ? d.pick(['none', 'add', 'mul', 'max', 'min']) : opset >= 16 ? d.pick(['none', 'add', 'mul']) : 'none';
  const dtype = d.pick(reduction === 'none' ? ALL : NUMBERS);
  const own = dims.map((n, i) =>
    i === at && reduction === 'none' ? d.int(1, n) : i === at ? d.int(1, 6) : d.int(1, n),
  );
  // Without a reduction an element is written once: a permutation along the axis.
  const inner = own.slice(at + 1).reduce((a, b) => a * b, 1);
  const outer = own.slice(0, at).reduce((a, b) => a * b, 1);
  const values = new Array<number>(outer * own[at]! * inner);
  for (let o = 0; o < outer; o++)
    for (let j = 0; j < inner; j++) {
      const order = d.shuffle(Array.from({ length: dims[at]! }, (_, i) => i));
      for (let i = 0; i < own[at]!; i++) {
        const v = reduction === 'none' ? order[i]! : d.int(0, dims[at]! - 1);
        values[(o * own[at]! + i) * inner + j] = opset >= 11 && d.chance(0.3) ? v - dims[at]! : v;
      }
    }
  return {
    inputs: [d.tensor(dtype, dims, -3, 3), d.values(indexType(d), own, values), d.tensor(dtype, own, -3, 3)],
    attributes: { axis: int(axis), ...(opset >= 16 ? { reduction: string(reduction) } : {}) },
    c: { opset, atol: dtype === 'float16' ? 0.3 : 1e-5 },
  };
}

export const picking: Family = {
  Gather: (d) => {
    const opset = d.int(7, 25);
    const dims = d.dims(1, 4, 5);
    const axis = opset < 11 ? d.int(0, dims.length - 1) : d.axis(dims.length);
    const n = dims[(axis + dims.length) % dims.length]!;
    return {
      inputs: [d.tensor(d.pick(ALL), dims), indices(d, indexType(d), d.dims(0, 3, 4, true), n, opset >= 11)],
      attributes: { axis: int(axis) },
      c: { opset, ...(d.chance() ? { constants: [1] } : {}) },
    };
  },
  GatherElements: gatherElements,
  GatherND: (d) => {
    const opset = d.int(11, 25);
    const dims = d.dims(1, 5, 4);
    const batch = opset < 12 ? 0 : d.int(0, Math.min(2, dims.length - 1));
    const k = d.int(1, dims.length - batch);
    const lead = [...dims.slice(0, batch), ...d.dims(0, 2, 3)];
    return {
      inputs: [d.tensor(d.pick(ALL), dims), tuples(d, dims, lead, k, batch)],
      attributes: opset >= 12 && (batch > 0 || d.chance()) ? { batch_dims: int(batch) } : {},
      c: { opset },
    };
  },
  ScatterElements: (d) => scatterElements(d, 'ScatterElements'),
  Scatter: (d) => scatterElements(d, 'Scatter'),
  ScatterND: (d) => {
    const opset = d.int(11, 25);
    const dims = d.dims(1, 4, 4);
    const k = d.int(1, dims.length);
    const reduction =
      opset >= 18
        ? d.pick(['none', 'add', 'mul', 'max', 'min'])
        : opset >= 16
          ? d.pick(['none', 'add', 'mul'])
          : 'none';
    const lead = reduction === 'none' ? [1] : d.dims(1, 2, 4);
    const dtype = d.pick(reduction === 'none' ? ALL : (['float', 'double', 'int32', 'int64', 'float16'] as const));
    return {
      inputs: [
        d.tensor(dtype, dims, -3, 3),
        tuples(d, dims, lead, k),
        d.tensor(dtype, [...lead, ...dims.slice(k)], -3, 3),
      ],
      attributes: opset >= 16 ? { reduction: string(reduction) } : {},
      c: { opset, atol: dtype === 'float16' ? 0.3 : 1e-5 },
    };
  },
  OneHot: (d) => {
    const dtype = d.pick(['int64', 'int32', 'float'] as const);
    const values = d.pick(['float', 'int64', 'int32'] as const);
    const dims = d.dims(1, 3, 4);
    return {
      inputs: [
        d.whole(dtype, dims, 0, 5),
        d.values(d.pick(['int64', 'int32', 'float']), d.chance() ? [] : [1], [d.int(1, 6)]),
        d.tensor(values, [2]),
      ],
      attributes: d.chance(0.7) ? { axis: int(d.int(-dims.length - 1, dims.length)) } : {},
      c: { opset: d.int(9, 25) },
    };
  },
  OneHot_negative: (d) => ({
    inputs: [d.whole('int64', d.dims(1, 3, 4), -6, 6), d.values('int64', [], [d.int(1, 6)]), d.tensor('float', [2])],
    c: { opset: d.int(11, 25) },
  }),
  Compress: (d) => {
    const dims = d.dims(1, 4, 5);
    const axis = d.maybe(() => d.axis(dims.length));
    const n = axis === undefined ? dims.reduce((a, b) => a * b, 1) : dims[(axis + dims.length) % dims.length]!;
    return {
      inputs: [d.tensor(d.pick(ALL), dims), d.tensor('bool', [d.int(1, n)])],
      attributes: axis === undefined ? {} : { axis: int(axis) },
      c: { opset: axis !== undefined && axis < 0 ? d.int(11, 25) : d.int(9, 25) },
    };
  },
  NonMaxSuppression: (d) => {
    const [batch, classes, boxes] = [d.int(1, 2), d.int(1, 3), d.int(1, 12)];
    const center = d.chance(0.4);
    const data: number[] = [];
    for (let i = 0; i < batch * boxes; i++) {
      const [y, x, h, w] = [d.real(0, 2), d.real(0, 2), d.real(0.3, 1), d.real(0.3, 1)];
      if (center) data.push(x, y, w, h);
      else data.push(...(d.chance() ? [y, x, y + h, x + w] : [y + h, x + w, y, x]));
    }
    const scores = d.distinct('float', [batch, classes, boxes]);
    for (let i = 0; i < scores.data.length; i++) scores.data[i] = Number(scores.data[i]) / scores.data.length;
    const scalar = (v: number) => d.values('float', [1], [v]);
    const inputs = [
      d.values('float', [batch, boxes, 4], data),
      scores,
      d.values('int64', [1], [d.int(0, 6)]),
      d.maybe(() => scalar(d.real(0, 0.9))),
      d.maybe(() => scalar(d.real(0, 0.6))),
    ];
    while (inputs[inputs.length - 1] === undefined) inputs.pop();
    return { inputs, attributes: center ? { center_point_box: int(1) } : {}, c: { opset: d.int(10, 25) } };
  },
};
