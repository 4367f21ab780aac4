import { ModelError, UnsupportedError } from '../../errors.ts';
import type { Tensor } from '../../tensor.ts';
import { type Attend, attend } from '../attention-core.ts';
import {
  appended,
  type Bias,
  biasOf,
  type Cache,
  type Heads,
  headsFirst,
  headSize,
  headsLast,
  needDims,
  needRank,
} from '../attention-inputs.ts';
import { flag, float, has, int, ints, since } from '../attributes.ts';
import { withHalf } from '../half.ts';
import { bytesOf } from '../integer.ts';
import type { NodeSpec, Op, Run, Runtime } from '../op.ts';
import { Real } from '../precision.ts';
import { asFloat, need, needFloat, scalar } from '../shape.ts';
import { matMulToFloat } from './integer.ts';
import { maskBias } from './masks.ts';

/** Scores of hidden keys under a causal mask: the lowest float, so that rows wholly hidden still have a softmax. */
const LOWEST = -3.4028234663852886e38;

interface Common {
  readonly heads: number;
  readonly filter: number;
  readonly causal: boolean;
  readonly scale: number | undefined;
}

function commonOf(node: NodeSpec): Common {
  const heads = int(node, 'num_heads');
  if (heads < 1) throw new ModelError(`attribute "num_heads": expected >= 1, found ${heads}`);
  const scale = float(node, 'scale', 0);
  return {
    heads,
    filter: float(node, 'mask_filter_value', -10000),
    causal: flag(node, 'unidirectional'),
    scale: scale === 0 ? undefined : scale,
  };
}

/** Attributes of another mode, which has to be off. */
function refuse(node: NodeSpec, ...names: string[]): void {
  for (const name of names)
    if (has(node, name) && int(node, name) !== 0)
      throw new UnsupportedError(`attribute "${name}": ${int(node, name)} is not supported`);
}

/** Queries, keys and values of one attention, with all that hides or shifts their scores. */
interface Parts {
  readonly batch: number;
  readonly q: Heads;
  readonly k: Heads;
  readonly v: Heads;
  readonly pastKey?: Heads | undefined;
  readonly pastValue?: Heads | undefined;
  readonly mask?: Tensor | undefined;
  readonly bias?: Tensor | undefined;
}

/** [batch, rows, heads * size of a value]; the caches where there is a past or `keep`; the masked scores where `qk`. */
function run(p: Parts, c: Common, keep: boolean, qk: boolean, rt: Runtime) {
  const real = new Real(rt, 'float');
  const { batch, q } = p;
  const rows = q.length;
  const past = p.pastKey?.length ?? 0;
  const keys = past + p.k.length;
  const grown = (x: Heads, old: Heads | undefined): Cache | undefined =>
    keep || old !== undefined ? appended(old, x, batch, c.heads, keys, () => past, real) : undefined;
  const key = grown(p.k, p.pastKey);
  const value = grown(p.v, p.pastValue);
  const biases: Bias[] = [];
  if (p.mask !== undefined) biases.push(maskBias(p.mask, { batch, rows, keys }, c.filter, rt));
  if (p.bias !== undefined) biases.push(biasOf(p.bias, 'attention_bias', [batch, c.heads, rows, keys], false, real));
  const dims = [batch, rows, c.heads * p.v.size];
  const y = real.empty(dims);
  const scores = qk ? real.empty([batch, c.heads, rows, keys]) : undefined;
  const o: Attend = {
    batch,
    heads: c.heads,
    kvHeads: c.heads,
    scale: c.scale ?? 1 / Math.sqrt(q.size),
    biases,
    ...(c.causal ? { visible: (_: number, s: number) => [0, past + s + 1] as const, hidden: LOWEST } : {}),
    tap: scores === undefined ? undefined : { stage: 'biased', at: scores.ptr },
  };
  attend(q, key?.heads ?? p.k, value?.heads ?? p.v, headsLast(dims, c.heads, y.ptr), o, real);
  return { y: y.done(), key, value, scores: scores?.done() };
}

/** Sizes of Q, K and V in a projection of `total` columns. */
function widthsOf(node: NodeSpec, total: number, heads: number): readonly [number, number, number] {
  const told = ints(node, 'qkv_hidden_sizes');
  const [q, k, v] = told ?? [total / 3, total / 3, total / 3];
  if (q === undefined || k === undefined || v === undefined || q !== k || q + k + v !== total || q % 1 !== 0)
    throw new ModelError(`weights: ${total} columns do not divide into Q, K and V${told ? ` of [${told}]` : ''}`);
  headSize(q, heads, 'Q');
  headSize(v, heads, 'V');
  return [q, k, v];
}

/** Self attention of projected input [batch, length, q + k + v]: outputs and, with a past or on request, present [2, batch, heads, keys, size]. */
function selfAttention(node: NodeSpec) {
  const c = commonOf(node);
  refuse(node, 'do_rotary', 'past_present_share_buffer');
  return (projected: Tensor, mask?: Tensor, past?: Tensor, bias?: Tensor, rt?: Runtime): Tensor[] => {
    const [batch, length, total] = projected.dims as [number, number, number];
    const [wq, wk, wv] = widthsOf(node, total, c.heads);
    const at = rt!.ptr(projected);
    const part = (from: number, width: number): Heads => ({
      at: at + 4 * from,
      length,
      size: width / c.heads,
      batch: length * total,
      head: width / c.heads,
      row: total,
    });
    const keep = node.outputs > 1 || past !== undefined;
    if (keep && wk !== wv) throw new ModelError(`past: expected keys as wide as values, found ${wk} and ${wv}`);
    const halves = past === undefined ? undefined : pastHalves(past, batch, c.heads, wk / c.heads, rt!);
    const parts: Parts = {
      batch,
      q: part(0, wq),
      k: part(wq, wk),
      v: part(wq + wk, wv),
      pastKey: halves?.[0],
      pastValue: halves?.[1],
      mask,
      bias,
    };
    const { y, key, value } = run(parts, c, keep, false, rt!);
    if (key === undefined || value === undefined) return [y];
    const [k, v] = [key.done(), value.done()];
    const present = rt!.empty('float', [2, ...k.dims]);
    (present.data as Float32Array).set(k.data as Float32Array);
    (present.data as Float32Array).set(v.data as Float32Array, k.data.length);
    return [y, present];
  };
}

/** Keys and values of past [2, batch, heads, length, size]. */
function pastHalves(past: Tensor, batch: number, heads: number, size: number, rt: Runtime): [Heads, Heads] {
  const length = past.dims[3] ?? 0;
  const at = rt.ptr(asFloat(needDims(past, [2, batch, heads, length, size], 'past'), 'past'));
  const dims = [batch, heads, length, size];
  return [headsFirst(dims, at), headsFirst(dims, at + 4 * batch * heads * length * size)];
}

/** Attention whose Q, K and V are one product of the input with merged weights [hidden, q + k + v], plus a bias. */
export const Attention: Op = withHalf(
  since(1, (node): Run => {
    const core = selfAttention(node);
    return (inputs, rt) => {
      const x = needRank(needFloat(inputs, 0, 'input'), 3, 'input');
      const w = needRank(needFloat(inputs, 1, 'weights'), 2, 'weights');
      const [batch, length, hidden] = x.dims as [number, number, number];
      const total = w.dims[1]!;
      needDims(w, [hidden, total], 'weights');
      const real = new Real(rt, 'float');
      const projected = real.empty([batch, length, total]);
      const bias = inputs[2] && real.ptr(needDims(needFloat(inputs, 2, 'bias'), [total], 'bias'));
      real.multiply(0, 0, batch * length, total, hidden, real.ptr(x), real.ptr(w), projected.ptr, {
        constant: w,
        bias: bias ?? 0,
      });
      return core(projected.done(), inputs[3], inputs[4], inputs[5], rt);
    };
  }),
);

/** Attention with 8-bit input and weights: the projection is an integer product, all after it is float. */
export const QAttention: Op = withHalf(
  since(1, (node): Run => {
    const core = selfAttention(node);
    return (inputs, rt) => {
      const x = needRank(need(inputs, 0, 'input'), 3, 'input');
      const w = needRank(need(inputs, 1, 'weight'), 2, 'weight');
      const bias = needFloat(inputs, 2, 'bias');
      const scale = scalar(needFloat(inputs, 3, 'input_scale'), 'input_scale');
      const a = bytesOf(x, 'input', rt);
      const projected = matMulToFloat(
        a,
        w,
        scale,
        needFloat(inputs, 4, 'weight_scale'),
        inputs[6],
        inputs[7],
        bias,
        rt,
      );
      return core(projected, inputs[5], inputs[8], undefined, rt);
    };
  }),
);

/** A packed tensor [batch, length, heads, n, size] as the i-th of its n parts. */
function slot(dims: readonly number[], at: number, i: number): Heads {
  const [, length, heads, n, size] = dims as [number, number, number, number, number];
  return {
    at: at + 4 * i * size,
    length,
    size,
    batch: length * heads * n * size,
    head: n * size,
    row: heads * n * size,
  };
}

/** Those heads plus a bias of heads * size elements, in a new place. */
function shifted(x: Heads, batch: number, heads: number, bias: number, rt: Runtime): Heads {
  const dims = [batch, x.length, heads * x.size];
  const y = rt.ptr(rt.empty('float', dims));
  for (let b = 0; b < batch; b++)
    rt.wasm.k.permute4(
      x.at + 4 * b * x.batch,
      1,
      x.length,
      heads,
      x.size,
      0,
      x.row,
      x.head,
      1,
      y + 4 * b * x.length * heads * x.size,
    );
  rt.wasm.k.add_row(y, bias, y, batch * x.length, heads * x.size);
  return headsLast(dims, heads, y);
}

/** Q, K and V of the forms they come in, with whether K and V are a cache that is complete already. */
function operands(inputs: readonly (Tensor | undefined)[], heads: number, rt: Runtime) {
  const query = needFloat(inputs, 0, 'query');
  const batch = query.dims[0] ?? 0;
  const [key, value] = [inputs[1], inputs[2]];
  if (query.dims.length === 5) {
    const at = rt.ptr(needDims(query, [batch, query.dims[1]!, heads, 3, query.dims[4]!], 'query'));
    return { batch, q: slot(query.dims, at, 0), k: slot(query.dims, at, 1), v: slot(query.dims, at, 2), cached: false };
  }
  needRank(query, 3, 'query');
  headSize(query.dims[2]!, heads, 'query');
  const q = headsLast(query.dims, heads, rt.ptr(query));
  const k = needFloat(inputs, 1, 'key');
  if (k.dims.length === 5) {
    const at = rt.ptr(needDims(k, [batch, k.dims[1]!, heads, 2, q.size], 'key'));
    return { batch, q, k: slot(k.dims, at, 0), v: slot(k.dims, at, 1), cached: false };
  }
  const v = needFloat([key, value], 1, 'value');
  if (k.dims.length === 4) {
    needDims(k, [batch, heads, k.dims[2]!, q.size], 'key');
    needDims(v, [batch, heads, k.dims[2]!, v.dims[3] ?? 0], 'value');
    return { batch, q, k: headsFirst(k.dims, rt.ptr(k)), v: headsFirst(v.dims, rt.ptr(v)), cached: true };
  }
  needDims(k, [batch, k.dims[1] ?? 0, query.dims[2]!], 'key');
  needDims(v, [batch, k.dims[1]!, v.dims[2] ?? 0], 'value');
  headSize(v.dims[2]!, heads, 'value');
  return { batch, q, k: headsLast(k.dims, heads, rt.ptr(k)), v: headsLast(v.dims, heads, rt.ptr(v)), cached: false };
}

/**
 * Attention of projected queries, keys and values, packed or apart, with a bias before, key padding mask, additive bias, causal
 * mask and cache. Keys and values [batch, heads, length, size] are another attention's cache, to which no bias is added.
 */
export const MultiHeadAttention: Op = withHalf(
  since(1, (node): Run => {
    const c = commonOf(node);
    return (inputs, rt) => {
      if (inputs[8] !== undefined || inputs[9] !== undefined)
        throw new UnsupportedError('past_sequence_length and cache_indirection are not supported');
      const { batch, cached, ...given } = operands(inputs, c.heads, rt);
      let { q, k, v } = given;
      if (inputs[3] !== undefined) {
        const [wq, wv] = [c.heads * q.size, c.heads * v.size];
        const bias = rt.ptr(needDims(needFloat(inputs, 3, 'bias'), [2 * wq + wv], 'bias'));
        q = shifted(q, batch, c.heads, bias, rt);
        if (!cached) {
          k = shifted(k, batch, c.heads, bias + 4 * wq, rt);
          v = shifted(v, batch, c.heads, bias + 8 * wq, rt);
        }
      }
      const past = (i: number, size: number, what: string) => {
        const t = inputs[i];
        if (t === undefined) return undefined;
        needDims(needFloat(inputs, i, what), [batch, c.heads, t.dims[2] ?? 0, size], what);
        return headsFirst(t.dims, rt.ptr(t));
      };
      const pastKey = past(6, k.size, 'past_key');
      const pastValue = past(7, v.size, 'past_value');
      if (pastKey?.length !== pastValue?.length)
        throw new ModelError('past_key and past_value: expected both, of one length, or none');
      const parts: Parts = { batch, q, k, v, pastKey, pastValue, mask: inputs[4], bias: inputs[5] };
      const { y, key, value, scores } = run(parts, c, node.outputs > 1, node.outputs > 3, rt);
      const out = [y];
      if (key !== undefined && value !== undefined) out.push(key.done(), value.done());
      if (scores !== undefined) out.push(scores);
      return out;
    };
  }),
);
