import * as activations from './activations.ts';
import * as arithmetic from './arithmetic.ts';
import { Attention } from './attention.ts';
import { FlexAttention } from './attention-flex.ts';
import * as bits from './bits.ts';
import { Cast, CastLike } from './cast.ts';
import { Clip } from './clip.ts';
import { Constant, ConstantOfShape } from './constant.ts';
import * as control from './control.ts';
import { Conv } from './conv.ts';
import { ConvTranspose } from './conv-transpose.ts';
import * as cumulative from './cumulative.ts';
import { DeformConv } from './deform.ts';
import { Det } from './det.ts';
import * as dft from './dft.ts';
import * as gather from './gather.ts';
import * as gemm from './gemm.ts';
import { MatMulInteger } from './integer.ts';
import * as layerNorm from './layer-norm.ts';
import * as linear from './linear.ts';
import { CausalConvWithState, LinearAttention } from './linear-attention.ts';
import * as logic from './logic.ts';
import * as losses from './losses.ts';
import { MICROSOFT } from './microsoft/index.ts';
import { SimplifiedLayerNormalization } from './microsoft/norm.ts';
import * as norm from './norm.ts';
import type { Op, OpVersion } from './op.ts';
import * as pad from './pad.ts';
import * as pool from './pool.ts';
import { ConvInteger, QLinearConv, QLinearMatMul } from './quantized.ts';
import * as random from './random.ts';
import * as reduce from './reduce.ts';
import * as reshape from './reshape.ts';
import { GRU, LSTM, RNN } from './rnn.ts';
import { RotaryEmbedding } from './rotary.ts';
import * as slice from './slice.ts';
import * as softmax from './softmax.ts';
import * as columns from './columns.ts';
import { Einsum } from './einsum.ts';
import * as generate from './generate.ts';
import * as gridSample from './grid-sample.ts';
import { NonMaxSuppression } from './nms.ts';
import * as rearrange from './rearrange.ts';
import * as resize from './resize.ts';
import * as roi from './roi.ts';
import * as scatter from './scatter.ts';
import * as select from './select.ts';
import { TfIdfVectorizer } from './tfidf.ts';
import { TopK } from './topk.ts';
import { Unique } from './unique.ts';
import { operators } from './table.ts';
import { Transpose } from './transpose.ts';
import * as trigonometry from './trigonometry.ts';
import * as unary from './unary.ts';
import * as windows from './windows.ts';

/** Domain ('' is ai.onnx) to operator type to operator: everything Kappa runs. */
export const OPERATORS: ReadonlyMap<string, ReadonlyMap<string, Op>> = new Map([
  [
    '',
    operators(
      { RNN, GRU, LSTM },
      { MatMulInteger, ConvInteger, QLinearConv, QLinearMatMul },
      { Conv, ConvTranspose, DeformConv, Transpose, Cast, CastLike, Constant, ConstantOfShape },
      { Attention, LinearAttention, CausalConvWithState, RotaryEmbedding, SimplifiedLayerNormalization },
      { Clip, Det },
      { Einsum, NonMaxSuppression, TfIdfVectorizer, TopK, Unique },
      columns,
      generate,
      gridSample,
      rearrange,
      resize,
      roi,
      scatter,
      select,
      activations,
      arithmetic,
      control,
      bits,
      cumulative,
      dft,
      gather,
      gemm,
      layerNorm,
      linear,
      logic,
      losses,
      norm,
      pad,
      pool,
      random,
      reduce,
      reshape,
      slice,
      softmax,
      trigonometry,
      unary,
      windows,
    ),
  ],
  ['com.microsoft', MICROSOFT],
  ['ai.onnx.preview', operators({ FlexAttention })],
]);

/** The oldest and newest version of the default domain that Kappa reads. */
export const OPSETS = { oldest: 7, newest: 27 } as const;

/** The definition of an operator that serves a model at `opset`, or undefined where there is none. */
export function findOperator(domain: string, opType: string, opset: number): OpVersion | undefined {
  const op = OPERATORS.get(domain === 'ai.onnx' ? '' : domain)?.get(opType);
  let best: OpVersion | undefined;
  for (const v of op ?? []) if (v.since <= opset) best = v;
  return best;
}
