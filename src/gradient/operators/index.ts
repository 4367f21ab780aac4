import type { Gradient } from '../gradient.ts';
import * as activation from './activation.ts';
import * as arithmetic from './arithmetic.ts';
import * as attention from './attention.ts';
import * as conv from './conv.ts';
import * as fused from './fused.ts';
import * as linear from './linear.ts';
import * as norm from './norm.ts';
import * as pool from './pool.ts';
import * as reduce from './reduce.ts';
import * as shape from './shape.ts';
import * as softmax from './softmax.ts';

const isOperator = (name: string) => /^[A-Z]/.test(name);

function table(...families: readonly Readonly<Record<string, unknown>>[]): ReadonlyMap<string, Gradient> {
  return new Map(
    families.flatMap((f) => Object.entries(f)).filter(([name]) => isOperator(name)) as [string, Gradient][],
  );
}

const { QuickGelu, FastGelu, SimplifiedLayerNormalization, ...standard } = { ...activation, ...norm };
const { RotaryEmbedding, MicrosoftRotaryEmbedding, CumSum, ...fusions } = fused;
const { Gelu } = activation;
const { GatherND, Pad, Trilu } = shape;

/** Domain ('' is ai.onnx) to operator type to its gradient: everything a backward pass goes through. */
export const GRADIENTS: ReadonlyMap<string, ReadonlyMap<string, Gradient>> = new Map([
  [
    '',
    table(
      standard,
      { Attention: attention.Attention, RotaryEmbedding, CumSum, SimplifiedLayerNormalization },
      arithmetic,
      conv,
      linear,
      pool,
      reduce,
      shape,
      softmax,
    ),
  ],
  [
    'com.microsoft',
    table(fusions, {
      QuickGelu,
      FastGelu,
      Gelu,
      SimplifiedLayerNormalization,
      MultiHeadAttention: attention.MultiHeadAttention,
      RotaryEmbedding: MicrosoftRotaryEmbedding,
      GatherND,
      Pad,
      Trilu,
      ExpandDims: shape.Unsqueeze,
    }),
  ],
]);

/** The gradient of an operator, or undefined where there is none. */
export function findGradient(domain: string, opType: string): Gradient | undefined {
  return GRADIENTS.get(domain === 'ai.onnx' ? '' : domain)?.get(opType);
}
