import { since } from '../attributes.ts';
import { causalConv, linearAttention } from '../linear-attention.ts';
import { operators } from '../table.ts';
import * as attention from './attention.ts';
import * as fused from './fused.ts';
import * as gelu from './gelu.ts';
import { GroupQueryAttention } from './group-query-attention.ts';
import * as integer from './integer.ts';
import * as nbits from './nbits.ts';
import * as norm from './norm.ts';
import * as others from './others.ts';
import * as quantized from './quantized.ts';
import { RotaryEmbedding } from './rotary.ts';

const LinearAttention = since(1, linearAttention);
const CausalConvWithState = since(1, causalConv);

/** com.microsoft: onnxruntime's contributed operators, as optimised exports hold them. */
export const MICROSOFT = operators(
  { GroupQueryAttention, RotaryEmbedding, LinearAttention, CausalConvWithState },
  attention,
  fused,
  gelu,
  integer,
  nbits,
  norm,
  others,
  quantized,
);
