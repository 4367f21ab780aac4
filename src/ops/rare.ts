import { Attention } from './attention.ts';
import { FlexAttention } from './attention-flex.ts';
import * as columns from './columns.ts';
import * as control from './control.ts';
import { ConvTranspose } from './conv-transpose.ts';
import * as cumulative from './cumulative.ts';
import { DeformConv } from './deform.ts';
import { Det } from './det.ts';
import * as dft from './dft.ts';
import { Einsum } from './einsum.ts';
import * as gridSample from './grid-sample.ts';
import { MatMulInteger } from './integer.ts';
import { CausalConvWithState, LinearAttention } from './linear-attention.ts';
import * as losses from './losses.ts';
import { MICROSOFT } from './microsoft/index.ts';
import { SimplifiedLayerNormalization } from './microsoft/norm.ts';
import { NonMaxSuppression } from './nms.ts';
import { ConvInteger, QLinearConv, QLinearMatMul } from './quantized.ts';
import * as random from './random.ts';
import * as rearrange from './rearrange.ts';
import * as resize from './resize.ts';
import { GRU, LSTM, RNN } from './rnn.ts';
import * as roi from './roi.ts';
import { RotaryEmbedding } from './rotary.ts';
import * as scatter from './scatter.ts';
import * as select from './select.ts';
import { operators, type Tables } from './table.ts';
import { TfIdfVectorizer } from './tfidf.ts';
import { TopK } from './topk.ts';
import { Unique } from './unique.ts';
import * as windows from './windows.ts';

/** All other operators: loaded for models that have one of them. */
export const RARE: Tables = new Map([
  [
    '',
    operators(
      { RNN, GRU, LSTM },
      { MatMulInteger, ConvInteger, QLinearConv, QLinearMatMul },
      { ConvTranspose, DeformConv },
      { Attention, LinearAttention, CausalConvWithState, RotaryEmbedding, SimplifiedLayerNormalization },
      { Det, Einsum, NonMaxSuppression, TfIdfVectorizer, TopK, Unique },
      columns,
      control,
      cumulative,
      dft,
      gridSample,
      losses,
      random,
      rearrange,
      resize,
      roi,
      scatter,
      select,
      windows,
    ),
  ],
  ['com.microsoft', MICROSOFT],
  ['ai.onnx.preview', operators({ FlexAttention })],
]);
