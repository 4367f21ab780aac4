import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { KappaError } from '../../../src/errors.ts';
import { OPERATORS } from '../../../src/ops/index.ts';
import { type Tensor, tensor } from '../../../src/tensor.ts';
import { type Attributes, float, floats, int, integers, ints, list, runHere, scalar, string } from '../compare.ts';
import { spoiler } from '../spoil.ts';

/** Nodes that run, with one thing or two about them made wrong: they say so, or run, and free what they took. */

interface Sample {
  readonly op: string;
  readonly inputs: readonly (Tensor | undefined)[];
  readonly attributes?: Attributes;
  readonly domain?: string;
  readonly outputs?: number;
}

const f = (...dims: number[]) => floats(dims);
const u8 = (...dims: number[]) => integers('uint8', dims, 0, 255);
const i32 = (...v: number[]) => tensor('int32', [v.length], Int32Array.from(v));
const one = scalar('float', 0.1);
const zero = scalar('uint8', 3);
const coded = [one, zero] as const;
const none = undefined;

const SAMPLES: readonly Sample[] = [
  {
    op: 'Attention',
    domain: '',
    inputs: [f(2, 4, 3, 8), f(2, 2, 5, 8), f(2, 2, 5, 6), f(3, 8), f(2, 2, 3, 8), f(2, 2, 3, 6)],
    attributes: { is_causal: int(1), qk_matmul_output_mode: int(2), softmax_precision: int(1) },
    outputs: 4,
  },
  {
    op: 'Attention',
    domain: '',
    inputs: [f(2, 3, 24), f(2, 5, 24), f(2, 5, 24), none, none, none, list(3, 5)],
    attributes: { q_num_heads: int(3), kv_num_heads: int(3), softcap: float(1) },
  },
  {
    op: 'RotaryEmbedding',
    domain: '',
    inputs: [f(2, 3, 24), f(9, 4), f(9, 4), integers('int64', [2, 3], 0, 8)],
    attributes: { num_heads: int(3), rotary_embedding_dim: int(8) },
  },
  {
    op: 'LinearAttention',
    domain: '',
    inputs: [f(2, 3, 16), f(2, 3, 8), f(2, 3, 8), f(2, 2, 4, 4), f(2, 3, 2), f(2, 3, 2)],
    attributes: { q_num_heads: int(4), kv_num_heads: int(2), scale: float(1) },
    outputs: 2,
  },
  { op: 'CausalConvWithState', domain: '', inputs: [f(2, 3, 5), f(3, 1, 4), f(3), f(2, 3, 3)], outputs: 2 },
  {
    op: 'SimplifiedLayerNormalization',
    domain: '',
    inputs: [f(2, 3, 8), f(8)],
    attributes: { axis: int(-1) },
    outputs: 2,
  },
  {
    op: 'FlexAttention',
    domain: 'ai.onnx.preview',
    inputs: [f(2, 4, 3, 8), f(2, 2, 5, 8), f(2, 2, 5, 6)],
    attributes: { softmax_precision: int(1), scale: float(0.5) },
  },
  {
    op: 'Attention',
    inputs: [f(2, 3, 6), f(6, 24), f(24), integers('int32', [2, 5], 0, 1), f(2, 2, 2, 2, 4), f(1, 2, 3, 5)],
    attributes: { num_heads: int(2), unidirectional: int(1), qkv_hidden_sizes: ints(8, 8, 8) },
    outputs: 2,
  },
  {
    op: 'QAttention',
    inputs: [u8(2, 3, 6), u8(6, 24), f(24), one, one, i32(2, 3), zero, zero, f(2, 2, 2, 2, 4)],
    attributes: { num_heads: int(2) },
    outputs: 2,
  },
  {
    op: 'MultiHeadAttention',
    inputs: [
      f(2, 3, 8),
      f(2, 3, 8),
      f(2, 3, 8),
      f(24),
      integers('int32', [2, 7], 0, 1),
      f(2, 1, 3, 7),
      f(2, 2, 4, 4),
      f(2, 2, 4, 4),
    ],
    attributes: { num_heads: int(2), unidirectional: int(1) },
    outputs: 4,
  },
  { op: 'MultiHeadAttention', inputs: [f(2, 3, 8), f(2, 5, 2, 2, 4)], attributes: { num_heads: int(2) } },
  {
    op: 'GroupQueryAttention',
    inputs: [
      f(2, 1, 32),
      f(2, 1, 16),
      f(2, 1, 16),
      f(2, 2, 6, 8),
      f(2, 2, 6, 8),
      i32(4, 2),
      scalar('int32', 5),
      f(9, 4),
      f(9, 4),
      none,
      f(2, 4, 1, 5),
      f(4),
    ],
    attributes: {
      num_heads: int(4),
      kv_num_heads: int(2),
      do_rotary: int(1),
      local_window_size: int(3),
      qk_output: int(1),
    },
    outputs: 4,
  },
  {
    op: 'GroupQueryAttention',
    inputs: [f(2, 3, 64), none, none, none, none, i32(2, 2), scalar('int32', 3)],
    attributes: { num_heads: int(4), kv_num_heads: int(2) },
    outputs: 3,
  },
  {
    op: 'RotaryEmbedding',
    inputs: [f(2, 3, 24), integers('int64', [2, 3], 0, 8), f(9, 4), f(9, 4)],
    attributes: { num_heads: int(3), interleaved: int(1) },
  },
  {
    op: 'MatMulNBits',
    inputs: [f(2, 40), u8(6, 2, 16), f(6, 2), u8(6, 1), none, f(6)],
    attributes: { K: int(40), N: int(6), bits: int(4), block_size: int(32) },
  },
  {
    op: 'GatherBlockQuantized',
    inputs: [u8(5, 16), list(0, 4), f(5, 2), u8(5, 1)],
    attributes: { bits: int(4), block_size: int(16), quantize_axis: int(1), gather_axis: int(0) },
  },
  {
    op: 'FusedMatMul',
    inputs: [f(3, 5, 4), f(3, 4, 6)],
    attributes: { transA: int(0), transB: int(0), transBatchA: int(0), alpha: float(2) },
  },
  { op: 'FusedGemm', inputs: [f(5, 4), f(4, 6), f(6)], attributes: { activation: string('Relu'), transA: int(0) } },
  {
    op: 'FusedConv',
    inputs: [f(1, 4, 6, 6), f(4, 2, 3, 3), f(4), f(1, 4, 4, 4)],
    attributes: { group: int(2), activation: string('Relu'), kernel_shape: ints(3, 3) },
  },
  { op: 'FastGelu', inputs: [f(2, 6), f(6)] },
  { op: 'BiasSplitGelu', inputs: [f(2, 3, 6), f(6)] },
  { op: 'SkipLayerNormalization', inputs: [f(2, 3, 8), f(2, 3, 8), f(8), f(8), f(8)], outputs: 4 },
  { op: 'SkipSimplifiedLayerNormalization', inputs: [f(2, 3, 8), f(3, 8), f(8), f(8)], outputs: 4 },
  {
    op: 'EmbedLayerNormalization',
    inputs: [
      integers('int32', [2, 3], 0, 4),
      integers('int32', [2, 3], 0, 1),
      f(5, 8),
      f(3, 8),
      f(2, 8),
      f(8),
      f(8),
      integers('int32', [2, 3], 0, 1),
      integers('int32', [2, 3], 0, 2),
    ],
    outputs: 3,
  },
  {
    op: 'GroupNorm',
    inputs: [f(1, 2, 3, 4), f(4), f(4)],
    attributes: { groups: int(2), activation: int(1), channels_last: int(1) },
  },
  {
    op: 'SkipGroupNorm',
    inputs: [f(1, 2, 3, 4), f(4), f(4), f(1, 4), f(4)],
    attributes: { groups: int(2), activation: int(0) },
    outputs: 2,
  },
  { op: 'DynamicQuantizeMatMul', inputs: [f(2, 6), u8(6, 4), f(4), u8(4), f(4)] },
  { op: 'MatMulIntegerToFloat', inputs: [u8(2, 6), u8(6, 4), one, f(4), zero, u8(4), f(4)] },
  {
    op: 'QGemm',
    inputs: [u8(2, 6), ...coded, u8(6, 4), ...coded, integers('int32', [4], -9, 9), ...coded],
    attributes: { transA: int(0), transB: int(0) },
  },
  { op: 'QLinearAdd', inputs: [u8(2, 6), ...coded, u8(6), ...coded, ...coded] },
  { op: 'QLinearSoftmax', inputs: [u8(2, 6), ...coded, ...coded], attributes: { axis: int(1), opset: int(13) } },
  { op: 'QLinearReduceMean', inputs: [u8(2, 6), ...coded, ...coded], attributes: { axes: ints(1), keepdims: int(0) } },
  { op: 'QLinearConcat', inputs: [...coded, u8(2, 6), ...coded, u8(1, 6), ...coded], attributes: { axis: int(0) } },
  { op: 'QLinearWhere', inputs: [integers('bool', [2, 6], 0, 1), u8(2, 6), ...coded, u8(2, 6), ...coded, ...coded] },
  {
    op: 'QLinearAveragePool',
    inputs: [u8(1, 6, 6, 2), ...coded, ...coded],
    attributes: { kernel_shape: ints(3, 3), channels_last: int(1) },
  },
  {
    op: 'QLinearConv',
    inputs: [u8(1, 6, 6, 2), ...coded, u8(4, 2, 3, 3), ...coded, ...coded, integers('int32', [4], 0, 9)],
    attributes: { channels_last: int(1) },
  },
  { op: 'NhwcMaxPool', inputs: [u8(1, 6, 6, 2)], attributes: { kernel_shape: ints(3, 3) } },
  { op: 'NhwcConv', inputs: [f(1, 6, 6, 2), f(4, 2, 3, 3), f(4)], attributes: { group: int(1) } },
  { op: 'Inverse', inputs: [f(2, 3, 3)] },
  { op: 'CDist', inputs: [f(4, 3), f(5, 3)], attributes: { metric: string('euclidean') } },
  { op: 'ExpandDims', inputs: [f(4, 3), scalar('int32', 1)] },
  { op: 'Unique', inputs: [f(6)], outputs: 3 },
  { op: 'Range', inputs: [scalar('int64', 1), scalar('int64', 9), scalar('int64', 2)] },
  { op: 'BiasAdd', inputs: [f(1, 2, 4), f(4), f(1, 2, 4)] },
  { op: 'QuantizeLinear', inputs: [f(2, 4), ...coded] },
];

const TRIES = 60;
test('every operator of com.microsoft is known by name', () => {
  const known = OPERATORS.get('com.microsoft')!;
  for (const { op, domain = 'com.microsoft' } of SAMPLES) if (domain === 'com.microsoft') assert.ok(known.has(op), op);
});

for (const [n, sample] of SAMPLES.entries())
  test(`${sample.op} (${n}): what is wrong is refused with a reason`, () => {
    const { op, domain = 'com.microsoft', outputs = 1 } = sample;
    const c = { domain, outputs, opset: 27 };
    runHere(op, sample.inputs, sample.attributes ?? {}, c);
    for (let i = 0; i < TRIES; i++) {
      const { inputs, attributes } = spoiler(1000 * n + i)(sample);
      try {
        runHere(op, inputs, attributes, c);
      } catch (error) {
        assert.ok(error instanceof KappaError, `try ${i}: ${(error as Error).stack}`);
        assert.not.match(error.message, /\n/);
      }
    }
  });

test.run();
