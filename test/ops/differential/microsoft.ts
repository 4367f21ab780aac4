import type { Tensor } from '../../../src/tensor.ts';
import { type Attributes, float, int, ints, string } from '../compare.ts';
import type { Draw, Family, Generator, Sample } from './draw.ts';

/** com.microsoft. */

const c = { domain: 'com.microsoft', opset: 17 } as const;
const close = { ...c, atol: 1e-3, rtol: 1e-3 } as const;

const trimmed = (inputs: (Tensor | undefined)[]) => {
  while (inputs[inputs.length - 1] === undefined) inputs.pop();
  return inputs;
};

const code = (d: Draw, kind: 'uint8' | 'int8', dims: readonly number[]) =>
  d.tensor(kind, dims, -128, kind === 'int8' ? 127 : 255);
const scale = (d: Draw, lo = 0.01, hi = 0.05) => d.tensor('float', [], lo, hi);
const zero = (d: Draw, kind: 'uint8' | 'int8') =>
  d.tensor(kind, [], kind === 'int8' ? -9 : 100, kind === 'int8' ? 9 : 140);

const onTwo: Generator = (d) => {
  const kind = d.pick(['uint8', 'int8'] as const);
  const [a, b] = d.pair(3);
  const part = (dims: number[]) => [code(d, kind, dims), scale(d), zero(d, kind)];
  return { inputs: [...part(a), ...part(b), scale(d, 0.05, 0.2), zero(d, kind)], c, steps: 1 };
};

const onOne =
  (attributes: (d: Draw) => Attributes = () => ({}), rank: readonly [number, number] = [1, 4]): Generator =>
  (d) => {
    const kind = d.pick(['uint8', 'int8'] as const);
    const x = code(d, kind, d.dims(rank[0], rank[1], 5));
    // The table that onnxruntime looks results up in is made from constants; beyond the range its softmax wraps around.
    return {
      inputs: [x, scale(d), zero(d, kind), scale(d, 0.01, 0.02), zero(d, kind)],
      attributes: attributes(d),
      c: { ...c, constants: [1, 2, 3, 4] },
      steps: 1,
    };
  };

function skipNorm(d: Draw, simplified: boolean): Sample {
  const dims = [d.dim(3), d.dim(4), 2 * d.int(1, 6)];
  const n = [dims[2]!];
  const t = (shape: number[]) => d.tensor('float', shape, -1, 1);
  const inputs = simplified
    ? [t(dims), t(dims), t(n), d.maybe(() => t(n))]
    : [t(dims), t(dims), t(n), d.maybe(() => t(n)), d.maybe(() => t(n))];
  return {
    inputs: trimmed(inputs),
    attributes: { epsilon: float(d.pick([1e-2, 1e-5])) },
    c: { ...close, outputs: 1 },
  };
}

function multiHead(d: Draw): Sample {
  const [batch, heads, n, m] = [d.dim(2), d.int(1, 3), d.dim(4), d.dim(5)];
  const size = 2 * d.int(1, 3);
  const v = d.chance() ? size : d.int(1, 4);
  const t = (...dims: number[]) => d.tensor('float', dims, -1, 1);
  const bias = d.maybe(() => t(heads * (2 * size + v)), 0.4);
  const mask = d.maybe(() => d.tensor('int32', [batch, m], 0, 1), 0.3);
  if (mask) for (let i = 0; i < batch; i++) mask.data[i * m] = 1;
  const extra = d.maybe(() => t(1, heads, n, m), 0.3);
  return {
    inputs: trimmed([t(batch, n, heads * size), t(batch, m, heads * size), t(batch, m, heads * v), bias, mask, extra]),
    attributes: {
      num_heads: int(heads),
      ...(d.chance(0.3) ? { scale: float(d.real(0.2, 1)) } : {}),
      ...(d.chance(0.3) && n === m ? { unidirectional: int(1) } : {}),
    },
    c: close,
  };
}

function attention(d: Draw): Sample {
  const [batch, heads, n] = [d.dim(2), d.int(1, 3), d.dim(5)];
  const size = 2 * d.int(1, 3);
  const input = d.int(2, 6);
  const t = (...dims: number[]) => d.tensor('float', dims, -1, 1);
  const mask = d.maybe(
    () =>
      d.values(
        'int32',
        [batch],
        Array.from({ length: batch }, () => d.int(1, n)),
      ),
    0.4,
  );
  return {
    inputs: trimmed([t(batch, n, input), t(input, 3 * heads * size), t(3 * heads * size), mask]),
    attributes: { num_heads: int(heads), ...(d.chance(0.4) ? { unidirectional: int(1) } : {}) },
    c: close,
  };
}

const nbits: Generator = (d) => {
  const [k, n, block] = [d.int(1, 60), d.int(1, 6), d.pick([16, 32])];
  const bits = d.pick([4, 4, 8]);
  const blocks = Math.ceil(k / block);
  const blob = (block * bits) / 8;
  const packed = Math.ceil((blocks * bits) / 8);
  return {
    inputs: trimmed([
      d.tensor('float', [...d.dims(1, 2, 4), k], -1, 1),
      d.tensor('uint8', [n, blocks, blob], 0, 255),
      d.tensor('float', [n * blocks], 0.01, 0.1),
      d.maybe(() => d.tensor('uint8', [n * packed], 0, 255)),
    ]),
    attributes: { K: int(k), N: int(n), bits: int(bits), block_size: int(block) },
    c: { ...close, constants: [1, 2, 3] },
  };
};

export const microsoft: Family = {
  QLinearAdd: onTwo,
  QLinearMul: onTwo,
  QLinearSigmoid: onOne(),
  QLinearLeakyRelu: onOne((d) => ({ alpha: float(d.real(0.05, 0.5)) })),
  QLinearGlobalAveragePool: onOne(() => ({ channels_last: int(0) }), [4, 4]),
  QLinearSoftmax: onOne((d) => ({ opset: int(d.pick([11, 13])), axis: int(-1) })),
  QLinearConcat: (d) => {
    const kind = d.pick(['uint8', 'int8'] as const);
    const dims = d.dims(1, 3, 4);
    const axis = d.axis(dims.length);
    const inputs: Tensor[] = [scale(d, 0.02, 0.1), zero(d, kind)];
    for (let i = d.int(1, 3); i > 0; i--) {
      const own = [...dims];
      own[(axis + dims.length) % dims.length] = d.dim(4);
      inputs.push(code(d, kind, own), scale(d), zero(d, kind));
    }
    return { inputs, attributes: { axis: int(axis) }, c, steps: 1 };
  },
  QGemm: (d) => {
    const kind = 'uint8';
    const [m, k, n] = [d.dim(5), d.dim(6), d.dim(5)];
    const [ta, tb] = [d.chance(), d.chance()];
    const bias = d.maybe(() => d.tensor('int32', [n], -900, 900));
    const result = d.chance(0.6) ? [scale(d, 0.1, 0.5), zero(d, kind)] : [];
    return {
      inputs: trimmed([
        code(d, kind, ta ? [k, m] : [m, k]),
        scale(d),
        zero(d, kind),
        code(d, kind, tb ? [n, k] : [k, n]),
        scale(d),
        zero(d, kind),
        bias,
        ...result,
      ]),
      attributes: { transA: int(ta ? 1 : 0), transB: int(tb ? 1 : 0), ...(d.chance(0.3) ? { alpha: float(0.5) } : {}) },
      c: close,
      steps: 1,
    };
  },
  MatMulIntegerToFloat: (d) => {
    const kind = d.pick(['uint8', 'int8'] as const);
    const [m, k, n] = [d.dim(5), d.dim(6), d.dim(5)];
    const per = d.chance() ? [n] : [];
    return {
      inputs: trimmed([
        code(d, 'uint8', [...d.dims(0, 1, 3), m, k]),
        code(d, kind, [k, n]),
        scale(d),
        d.tensor('float', per, 0.01, 0.05),
        d.maybe(() => zero(d, 'uint8')),
        d.maybe(() => d.tensor(kind, per, -9, 9)),
        d.maybe(() => d.tensor('float', [n])),
      ]),
      c: close,
    };
  },
  DynamicQuantizeMatMul: (d) => {
    const kind = d.pick(['uint8', 'int8'] as const);
    const [m, k, n] = [d.dim(5), d.dim(6), d.dim(5)];
    const per = d.chance() ? [n] : [];
    return {
      inputs: trimmed([
        d.tensor('float', [...d.dims(0, 1, 3), m, k]),
        code(d, kind, [k, n]),
        d.tensor('float', per, 0.01, 0.05),
        d.maybe(() => d.tensor(kind, per, -9, 9)),
        d.maybe(() => d.tensor('float', [n])),
      ]),
      c: close,
    };
  },
  FusedMatMul: (d) => {
    const [m, k, n] = [d.dim(5), d.dim(6), d.dim(5)];
    const many = d.dims(0, 2, 3);
    const [ta, tb] = [d.chance(), d.chance()];
    return {
      inputs: [
        d.tensor('float', [...many, ...(ta ? [k, m] : [m, k])]),
        d.tensor('float', [...many, ...(tb ? [n, k] : [k, n])]),
      ],
      attributes: { transA: int(ta ? 1 : 0), transB: int(tb ? 1 : 0), alpha: float(d.real(-1, 1)) },
      c: close,
    };
  },
  FusedGemm: (d) => {
    const [m, k, n] = [d.dim(5), d.dim(6), d.dim(5)];
    return {
      inputs: [d.tensor('float', [m, k]), d.tensor('float', [k, n]), d.tensor('float', d.narrowed([m, n]))],
      attributes: { activation: string(d.pick(['Relu', 'Sigmoid', 'Tanh'])) },
      c: close,
    };
  },
  FusedConv: (d) => {
    const [n, ch, m] = [d.dim(2), d.dim(3), d.dim(3)];
    const activation = d.pick(['Relu', 'Sigmoid', 'Tanh', 'LeakyRelu', 'Clip', 'HardSigmoid']);
    const params = { LeakyRelu: [0.25], Clip: [-0.5, 1.5], HardSigmoid: [0.25, 0.5] }[activation as 'Clip'];
    return {
      inputs: [d.tensor('float', [n, ch, 5, 6]), d.tensor('float', [m, ch, 3, 2]), d.tensor('float', [m])],
      attributes: {
        activation: string(activation),
        ...(params ? { activation_params: { type: 'floats', value: params } as const } : {}),
        strides: ints(d.int(1, 2), d.int(1, 2)),
        pads: ints(d.int(0, 1), 0, 1, d.int(0, 1)),
        kernel_shape: ints(3, 2),
      },
      c: close,
    };
  },
  Gelu: (d) => ({ inputs: [d.tensor('float', d.dims(1, 3, 6))], c: close }),
  QuickGelu: (d) => ({
    inputs: [d.tensor('float', d.dims(1, 3, 6))],
    attributes: d.chance() ? { alpha: float(1.3) } : {},
    c: close,
  }),
  FastGelu: (d) => {
    const dims = d.dims(1, 3, 6);
    return {
      inputs: trimmed([d.tensor('float', dims), d.maybe(() => d.tensor('float', [dims[dims.length - 1]!]))]),
      c: close,
    };
  },
  BiasGelu: (d) => {
    const dims = d.dims(1, 3, 6);
    return { inputs: [d.tensor('float', dims), d.tensor('float', [dims[dims.length - 1]!])], c: close };
  },
  SkipLayerNormalization: (d) => skipNorm(d, false),
  SkipSimplifiedLayerNormalization: (d) => skipNorm(d, true),
  MultiHeadAttention: multiHead,
  Attention: attention,
  MatMulNBits: nbits,
  NhwcMaxPool: (d) => ({
    inputs: [code(d, d.pick(['uint8', 'int8']), [d.dim(2), d.int(3, 7), d.int(3, 7), d.dim(3)])],
    attributes: { kernel_shape: ints(d.int(1, 3), d.int(1, 3)), strides: ints(d.int(1, 2), d.int(1, 2)) },
    c,
  }),
  ExpandDims: (d) => {
    const dims = d.dims(0, 3, 4);
    return { inputs: [d.tensor('float', dims), d.values('int32', [], [d.int(-dims.length - 1, dims.length)])], c };
  },
  CDist: (d) => {
    const k = d.dim(5);
    return {
      inputs: [d.tensor('float', [d.dim(5), k]), d.tensor('float', [d.dim(5), k])],
      attributes: { metric: string(d.pick(['sqeuclidean', 'euclidean'])) },
      c: close,
    };
  },
};
