import type { Tensor } from '../../../src/tensor.ts';
import { type Attributes, float, int, string } from '../compare.ts';
import { type Draw, type Family, FLOATS, type Generator, type Sample } from './draw.ts';

/** Products, normalizations, recurrent layers and attention. */

const trimmed = (inputs: (Tensor | undefined)[]) => {
  while (inputs[inputs.length - 1] === undefined) inputs.pop();
  return inputs;
};

const matMul: Generator = (d) => {
  const dtype = d.dtype(['float', 'double', 'float16', 'int32', 'int64', 'uint32', 'uint64']);
  const [m, k, n] = [d.dim(9), d.dim(9), d.dim(9)];
  const many = d.dims(0, 2, 3, true);
  const a = d.chance(0.15) ? [k] : [...d.narrowed(many), m, k];
  const b = d.chance(0.15) ? [k] : [...d.narrowed(many), k, n];
  return {
    inputs: [d.tensor(dtype, a), d.tensor(dtype, b)],
    c: { opset: d.int(9, 25), atol: dtype === 'float16' ? 0.1 : 1e-4 },
  };
};

const gemm: Generator = (d) => {
  const opset = d.int(7, 25);
  const dtype = d.pick(['float', 'double', 'float16'] as const);
  const [m, k, n] = [d.dim(9), d.dim(9), d.dim(9)];
  const [ta, tb] = [d.chance(), d.chance()];
  const c = opset < 11 || d.chance(0.6) ? d.tensor(dtype, d.narrowed([m, n])) : undefined;
  return {
    inputs: trimmed([d.tensor(dtype, ta ? [k, m] : [m, k]), d.tensor(dtype, tb ? [n, k] : [k, n]), c]),
    attributes: {
      ...(ta ? { transA: int(1) } : {}),
      ...(tb ? { transB: int(1) } : {}),
      ...(d.chance() ? { alpha: float(d.real(-2, 2)) } : {}),
      ...(d.chance() ? { beta: float(d.pick([0, 1, 0.5])) } : {}),
    },
    c: { opset, atol: dtype === 'float16' ? 0.1 : 1e-4, ...(d.chance() ? { constants: [1] } : {}) },
  };
};

const matMulInteger: Generator = (d) => {
  const [a, b] = [d.pick(['uint8', 'int8'] as const), d.pick(['uint8', 'int8'] as const)];
  const [m, k, n] = [d.dim(6), d.dim(6), d.dim(6)];
  const many = d.dims(0, 2, 3);
  const zb = d.pick(['none', 'scalar', 'row'] as const);
  return {
    inputs: trimmed([
      d.tensor(a, [...many, m, k], -128, a === 'int8' ? 127 : 255),
      d.tensor(b, many.length > 0 && d.chance() ? [...many, k, n] : [k, n], -128, b === 'int8' ? 127 : 255),
      zb === 'none' && d.chance() ? undefined : d.tensor(a, d.chance() ? [] : [1], -9, 99),
      zb === 'none' ? undefined : d.tensor(b, zb === 'row' ? [n] : [], -9, 99),
    ]),
    c: { opset: d.int(10, 25) },
  };
};

function recurrent(d: Draw, op: 'RNN' | 'GRU' | 'LSTM'): Sample {
  const opset = d.int(7, 25);
  const gates = op === 'RNN' ? 1 : op === 'GRU' ? 3 : 4;
  const direction = d.pick(['forward', 'reverse', 'bidirectional']);
  const dirs = direction === 'bidirectional' ? 2 : 1;
  const [steps, batch, size, hidden] = [d.dim(5), d.dim(3), d.dim(4), d.dim(5)];
  const t = (...dims: number[]) => d.tensor('float', dims, -1, 1);
  // onnxruntime wants at least one step in every sequence.
  const lengths = d.maybe(
    () =>
      d.values(
        'int32',
        [batch],
        Array.from({ length: batch }, () => d.int(1, steps)),
      ),
    0.4,
  );
  const inputs: (Tensor | undefined)[] = [
    t(steps, batch, size),
    t(dirs, gates * hidden, size),
    t(dirs, gates * hidden, hidden),
    d.maybe(() => t(dirs, 2 * gates * hidden)),
    lengths,
    d.maybe(() => t(dirs, batch, hidden)),
  ];
  if (op === 'LSTM')
    inputs.push(
      d.maybe(() => t(dirs, batch, hidden)),
      d.maybe(() => t(dirs, 3 * hidden)),
    );
  const attributes: Record<string, Attributes[string]> = { hidden_size: int(hidden) };
  if (direction !== 'forward' || d.chance()) attributes.direction = string(direction);
  if (op === 'GRU' && d.chance()) attributes.linear_before_reset = int(d.int(0, 1));
  if (op === 'LSTM' && d.chance(0.3)) attributes.input_forget = int(d.int(0, 1));
  if (d.chance(0.2)) attributes.clip = float(d.real(0.3, 2));
  if (d.chance(0.4)) {
    const one = () =>
      d.pick([
        'Relu',
        'Tanh',
        'Sigmoid',
        'HardSigmoid',
        'Softsign',
        'Softplus',
        'Affine',
        'Elu',
        'LeakyRelu',
        'ThresholdedRelu',
        'ScaledTanh',
      ]);
    const count = dirs * (op === 'RNN' ? 1 : op === 'GRU' ? 2 : 3);
    const names = Array.from({ length: count }, one);
    attributes.activations = { type: 'strings', value: names };
    // Defaults are those of the operators of these names; onnxruntime 1.30 takes 0 for the three below.
    if (d.chance() || names.some((n) => ['Affine', 'ScaledTanh', 'ThresholdedRelu'].includes(n))) {
      const [two, single] = [
        ['HardSigmoid', 'Affine', 'ScaledTanh'],
        ['Elu', 'LeakyRelu', 'ThresholdedRelu'],
      ];
      const values = (of: readonly string[]) =>
        names.filter((n) => of.includes(n)).map(() => Math.fround(d.real(0.1, 0.9)));
      const [alpha, beta] = [values([...two, ...single]), values(two)];
      if (alpha.length > 0) attributes.activation_alpha = { type: 'floats', value: alpha };
      if (beta.length > 0) attributes.activation_beta = { type: 'floats', value: beta };
    }
  }
  return { inputs: trimmed(inputs), attributes, c: { opset, outputs: op === 'LSTM' ? 3 : 2, atol: 1e-4 } };
}

function attention(d: Draw): Sample {
  const [batch, heads, keys, size, values] = [d.dim(2), d.dim(3), d.dim(5), 2 * d.int(1, 3), d.dim(4)];
  const group = d.chance(0.3) ? 2 : 1;
  const [q, past] = [d.dim(4), d.chance(0.4) ? d.dim(3) : 0];
  // Query i sees keys up to past + i; onnxruntime 1.30 counts from the last key, the same only where q and keys are as many.
  const causal = (past === 0 || q === keys) && d.chance(0.4);
  const flat = d.chance();
  const dtype = d.pick(['float', 'float', 'float16'] as const);
  const t = (h: number, n: number, s: number) => d.tensor(dtype, flat ? [batch, n, h * s] : [batch, h, n, s], -1, 1);
  const total = keys + past;
  const maskDims = d.pick([
    [q, total],
    [1, 1, q, total],
    [batch, 1, q, total],
    [batch, heads * group, q, total],
    [heads * group, q, total],
  ]);
  const mask = d.maybe(() => (d.chance() ? d.tensor(dtype, maskDims) : d.tensor('bool', maskDims)), 0.4);
  if (mask?.dtype === 'bool') for (let i = 0; i < mask.data.length; i += total) mask.data[i] = 1;
  const own = (s: number) => (past ? d.tensor(dtype, [batch, heads, past, s], -1, 1) : undefined);
  const attributes: Record<string, Attributes[string]> = {};
  if (flat) Object.assign(attributes, { q_num_heads: int(heads * group), kv_num_heads: int(heads) });
  if (causal) attributes.is_causal = int(1);
  if (d.chance(0.3)) attributes.scale = float(d.real(0.2, 1));
  if (d.chance(0.3)) attributes.softcap = float(d.real(0.5, 3));
  const outputs = past ? d.pick([3, 4]) : 1;
  // A score that a mask hides is -Infinity; onnxruntime 1.30 has the least float there.
  const stages = causal || mask?.dtype === 'bool' ? [0, 3] : [0, 1, 2, 3];
  if (outputs === 4) attributes.qk_matmul_output_mode = int(d.pick(stages));
  return {
    inputs: trimmed([
      t(heads * group, q, size),
      t(heads, keys, size),
      t(heads, keys, values),
      mask,
      own(size),
      own(values),
    ]),
    attributes,
    c: { opset: d.int(23, 25), outputs, atol: dtype === 'float16' ? 1e-2 : 1e-4 },
  };
}

function layerNorm(d: Draw, op: string): Sample {
  const dims = d.dims(1, 4, 6);
  const axis = d.axis(dims.length);
  const from = (axis + dims.length) % dims.length;
  const dtype = d.pick(FLOATS);
  const own = dims.slice(from);
  const scale = d.tensor(dtype, own);
  const b = op === 'LayerNormalization' ? d.maybe(() => d.tensor(dtype, own)) : undefined;
  return {
    inputs: trimmed([d.tensor(dtype, dims), scale, b]),
    attributes: { axis: int(axis), ...(d.chance() ? { epsilon: float(1e-3) } : { epsilon: float(1e-2) }) },
    c: {
      opset: op === 'LayerNormalization' ? d.int(17, 25) : d.int(23, 25),
      outputs: op === 'LayerNormalization' && dtype !== 'float16' ? d.int(1, 3) : 1,
      atol: dtype === 'float16' ? 2e-2 : 1e-4,
      rtol: dtype === 'float16' ? 1e-2 : 1e-4,
    },
  };
}

export const learned: Family = {
  MatMul: matMul,
  Gemm: gemm,
  MatMulInteger: matMulInteger,
  RNN: (d) => recurrent(d, 'RNN'),
  GRU: (d) => recurrent(d, 'GRU'),
  LSTM: (d) => recurrent(d, 'LSTM'),
  Attention: attention,
  LayerNormalization: (d) => layerNorm(d, 'LayerNormalization'),
  RMSNormalization: (d) => layerNorm(d, 'RMSNormalization'),
  BatchNormalization: (d) => {
    const dims = d.dims(1, 5, 5);
    const c = dims[1] ?? 1;
    const opset = d.int(7, 25);
    const dtype = d.pick(['float', 'double', 'float16'] as const);
    const t = (lo: number, hi: number) => d.tensor(dtype, [c], lo, hi);
    return {
      inputs: [d.tensor(dtype, dims), t(-1, 1), t(-1, 1), t(-1, 1), t(0.1, 2)],
      attributes: d.chance() ? { epsilon: float(1e-3) } : {},
      c: { opset, atol: dtype === 'float16' ? 2e-2 : 1e-4 },
    };
  },
  InstanceNormalization: (d) => {
    const dims = [d.dim(3), d.dim(4), ...d.dims(1, 3, 5).map((n) => n + 1)];
    const dtype = d.pick(FLOATS);
    return {
      inputs: [d.tensor(dtype, dims), d.tensor(dtype, [dims[1]!]), d.tensor(dtype, [dims[1]!])],
      attributes: { epsilon: float(d.pick([1e-2, 1e-3])) },
      c: { opset: d.int(7, 25), atol: 1e-3, rtol: 1e-2 },
    };
  },
  GroupNormalization: (d) => {
    const groups = d.int(1, 3);
    const c = groups * d.int(1, 3);
    const opset = d.int(18, 25);
    const dtype = d.pick(FLOATS);
    const n = [opset < 21 ? groups : c];
    return {
      inputs: [
        d.tensor(dtype, [d.dim(2), c, ...d.dims(1, 2, 5).map((k) => k + 1)]),
        d.tensor(dtype, n),
        d.tensor(dtype, n),
      ],
      attributes: { num_groups: int(groups), epsilon: float(1e-2) },
      c: { opset, atol: 2e-2, rtol: 1e-2 },
    };
  },
  RotaryEmbedding: (d) => {
    const [batch, heads, n] = [d.dim(2), d.dim(3), d.dim(4)];
    const size = 2 * d.int(1, 4);
    const part = d.chance(0.4) ? 2 * d.int(1, size / 2) : 0;
    const flat = d.chance();
    const half = (part || size) / 2;
    const dtype = d.pick(['float', 'float16'] as const);
    const x = d.tensor(dtype, flat ? [batch, n, heads * size] : [batch, heads, n, size]);
    const most = n + 3;
    const ids = d.maybe(() => d.whole('int64', [batch, n], 0, most - 1));
    const cache = () => d.tensor(dtype, ids ? [most, half] : [batch, n, half], -1, 1);
    return {
      inputs: trimmed([x, cache(), cache(), ids]),
      attributes: {
        ...(d.chance() ? { interleaved: int(d.int(0, 1)) } : {}),
        ...(part ? { rotary_embedding_dim: int(part) } : {}),
        ...(flat ? { num_heads: int(heads) } : {}),
      },
      c: { opset: d.int(23, 25), atol: dtype === 'float16' ? 1e-2 : 1e-5 },
    };
  },
  QLinearMatMul: (d) => {
    const kind = d.pick(['uint8', 'int8'] as const);
    const [m, k, n] = [d.dim(6), d.dim(6), d.dim(6)];
    const many = d.dims(0, 2, 3);
    const zero = (dims: number[]) => (kind === 'int8' ? d.tensor(kind, dims, -5, 5) : d.tensor(kind, dims, 100, 140));
    const scale = (dims: number[], lo = 0.01, hi = 0.05) => d.tensor('float', dims, lo, hi);
    const per = d.chance(0.4) ? [n] : [];
    const x = (dims: number[]) => d.tensor(kind, dims, -128, kind === 'int8' ? 127 : 255);
    return {
      inputs: [
        x([...many, m, k]),
        scale([]),
        zero([]),
        x([...many, k, n]),
        scale(per),
        zero(per),
        scale([], 0.1, 0.5),
        zero([]),
      ],
      c: { opset: d.int(10, 25) },
    };
  },
  QuantizeLinear: (d) => {
    const opset = d.int(10, 25);
    const dims = d.dims(1, 4, 6);
    const axis = d.axis(dims.length);
    const at = (axis + dims.length) % dims.length;
    const per = opset >= 13 && d.chance();
    const kind = d.pick(opset >= 21 ? (['uint8', 'int8', 'uint16', 'int16'] as const) : (['uint8', 'int8'] as const));
    const block = opset >= 21 && per && d.chance() ? d.int(1, 3) : 0;
    const n = per ? (block ? dims.map((k, i) => (i === at ? Math.ceil(k / block) : k)) : [dims[at]!]) : [];
    // float only: quotients of float16 are rounded to float16 here, since version 24 by `precision`; onnxruntime 1.30 keeps float.
    const dtype = 'float';
    const zero = opset < 21 && !per && kind === 'uint8' && d.chance(0.3) ? undefined : d.tensor(kind, n, -5, 9);
    return {
      inputs: trimmed([d.tensor(dtype, dims, -20, 20), d.tensor(dtype, n, 0.05, 0.3), zero]),
      attributes: per ? { axis: int(axis), ...(block ? { block_size: int(block) } : {}) } : {},
      c: { opset },
    };
  },
  DequantizeLinear: (d) => {
    const opset = d.int(10, 25);
    const dims = d.dims(1, 4, 6);
    const axis = d.axis(dims.length);
    const at = (axis + dims.length) % dims.length;
    const per = opset >= 13 && d.chance();
    const kind = d.pick(
      opset >= 21 ? (['uint8', 'int8', 'uint16', 'int16', 'int32'] as const) : (['uint8', 'int8', 'int32'] as const),
    );
    const block = opset >= 21 && per && d.chance() ? d.int(1, 3) : 0;
    const n = per ? (block ? dims.map((k, i) => (i === at ? Math.ceil(k / block) : k)) : [dims[at]!]) : [];
    const dtype = opset >= 19 ? d.pick(['float', 'float16'] as const) : 'float';
    const zero = kind === 'int32' || d.chance(0.3) ? undefined : d.tensor(kind, n, -5, 9);
    return {
      inputs: trimmed([d.tensor(kind, dims, -100, 100), d.tensor(dtype, n, 0.05, 0.3), zero]),
      attributes: per ? { axis: int(axis), ...(block ? { block_size: int(block) } : {}) } : {},
      c: { opset },
    };
  },
  DynamicQuantizeLinear: (d) => {
    const lo = d.pick([-5, 0.5, -9, 0]);
    return {
      inputs: [d.tensor('float', d.dims(1, 4, 6), lo, lo + d.pick([4, 20]))],
      c: { opset: d.int(11, 25), outputs: 3 },
    };
  },
};
