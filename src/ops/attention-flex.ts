import { ModelError, UnsupportedError } from '../errors.ts';
import type { DType, Tensor } from '../tensor.ts';
import { scoresOf, softmaxRows, weigh } from './attention-core.ts';
import { headsFirst, needDims, needRank, realFor, toReal } from './attention-inputs.ts';
import { float, has, int, since } from './attributes.ts';
import { cast, typeAttribute } from './cast.ts';
import { scratchOf } from './gemm.ts';
import { isHalf } from './half.ts';
import type { Body, NodeSpec, Op } from './op.ts';
import type { Real } from './precision.ts';
import { isFloating, need } from './shape.ts';

/** A graph attribute that maps all scores, or all shares, to their replacement. */
function modifier(node: NodeSpec, name: string): Body | undefined {
  const body = node.bodies.get(name);
  if (body === undefined && has(node, name)) throw new ModelError(`attribute "${name}": expected a graph`);
  if (body !== undefined && (body.inputs.length !== 1 || body.outputs.length !== 1))
    throw new UnsupportedError(
      `attribute "${name}": expected a graph of 1 input and 1 output, found ${body.inputs.length} and ${body.outputs.length}`,
    );
  return body;
}

/** The body's result for x given as `dtype`. */
function modified(body: Body | undefined, x: Tensor, dtype: DType, what: string, real: Real): Tensor {
  if (body === undefined) return x;
  const [y] = body.run([cast(x, dtype, real.rt)]) as [Tensor];
  return toReal(needDims(y, x.dims, `result of ${what}`), `result of ${what}`, real);
}

/**
 * Attention of [batch, heads, length, size] inputs, grouped queries among them, whose scores pass through the graph `score_mod`
 * before the softmax and its shares through `prob_mod` after (ai.onnx.preview FlexAttention-1). Both see the whole
 * [batch, heads, rows, keys] tensor, in `softmax_precision`, or float where the inputs are narrower.
 */
export const FlexAttention: Op = since(1, (node) => {
  if (has(node, 'mask_mod')) throw new UnsupportedError('attribute "mask_mod"');
  const scoreMod = modifier(node, 'score_mod');
  const probMod = modifier(node, 'prob_mod');
  const precision = int(node, 'softmax_precision', 0);
  const told = precision === 0 ? undefined : typeAttribute(precision, 'softmax_precision');
  if (told !== undefined && !isFloating(told))
    throw new ModelError(`attribute "softmax_precision": expected a floating type, found ${told}`);
  return (inputs, rt) => {
    const given = (['Q', 'K', 'V'] as const).map((what, i) => need(inputs, i, what)) as [Tensor, Tensor, Tensor];
    const real = realFor(given, rt);
    const [q, k, v] = given.map((t, i) => needRank(toReal(t, 'QKV'[i]!, real), 4, 'QKV'[i]!)) as [
      Tensor,
      Tensor,
      Tensor,
    ];
    const [batch, heads, rows, size] = q.dims as [number, number, number, number];
    const [, kvHeads, keys] = k.dims as [number, number, number];
    needDims(k, [batch, kvHeads, keys, size], 'K');
    needDims(v, [batch, kvHeads, keys, v.dims[3]!], 'V');
    if (kvHeads === 0 || heads % kvHeads !== 0 || size === 0)
      throw new ModelError(`Q [${q.dims}], K [${k.dims}]: expected a multiple of K's heads in Q, of one size above 0`);
    const o = { heads, kvHeads, scale: has(node, 'scale') ? float(node, 'scale') : 1 / Math.sqrt(size) };
    const dtype = told ?? (isHalf(given[0].dtype) ? 'float' : given[0].dtype);
    const outDims = [batch, heads, rows, v.dims[3]!];
    const scratch = scratchOf(rt);
    const [hq, hk, hv] = [
      headsFirst(q.dims, real.ptr(q)),
      headsFirst(k.dims, real.ptr(k)),
      headsFirst(v.dims, real.ptr(v)),
    ];
    const each = (at: number, body: (b: number, h: number, at: number) => void) => {
      for (let b = 0; b < batch; b++)
        for (let h = 0; h < heads; h++) body(b, h, real.at(at, (b * heads + h) * rows * keys));
    };
    const scores = real.empty([batch, heads, rows, keys]);
    each(scores.ptr, (b, h, at) => scoresOf(real, scratch, hq, hk, o, b, h, keys, at, keys));
    const changed = modified(scoreMod, scores.done(), dtype, 'score_mod', real);
    const shares = real.empty([batch, heads, rows, keys]);
    softmaxRows(real, real.ptr(changed), shares.ptr, batch * heads * rows, keys);
    const weights = real.ptr(modified(probMod, shares.done(), dtype, 'prob_mod', real));
    const y = real.empty(outDims);
    each(weights, (b, h, at) => weigh(real, scratch, hv, headsFirst(outDims, y.ptr), o, b, h, keys, at, keys));
    return [cast(y.done(), given[0].dtype, rt)];
  };
});
