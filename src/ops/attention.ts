import { ModelError, UnsupportedError } from '../errors.ts';
import type { Tensor } from '../tensor.ts';
import { type Attend, attend, type Stage } from './attention-core.ts';
import {
  appended,
  biasOf,
  type Heads,
  headsFirst,
  headSize,
  headsLast,
  needDims,
  realFor,
  toReal,
} from './attention-inputs.ts';
import { flag, float, int, since } from './attributes.ts';
import { cast, typeAttribute } from './cast.ts';
import type { NodeSpec, Op, Run } from './op.ts';
import type { Real } from './precision.ts';
import { integers, isFloating, need } from './shape.ts';

/** One of Q, K, V as heads; `packed` for [batch, length, heads * size]. */
interface Operand {
  readonly heads: Heads;
  readonly batch: number;
  readonly count: number;
  readonly packed: boolean;
}

function operand(t: Tensor, count: number, what: string, real: Real): Operand {
  const x = toReal(t, what, real);
  if (x.dims.length === 4)
    return { heads: headsFirst(x.dims, real.ptr(x)), batch: x.dims[0]!, count: x.dims[1]!, packed: false };
  if (x.dims.length !== 3) throw new ModelError(`${what}: expected rank 3 or 4, found [${x.dims}]`);
  if (count === 0)
    throw new ModelError(`${what} [${x.dims}]: rank 3 needs attributes "q_num_heads" and "kv_num_heads"`);
  headSize(x.dims[2]!, count, what);
  return { heads: headsLast(x.dims, count, real.ptr(x)), batch: x.dims[0]!, count, packed: true };
}

const STAGES: readonly Stage[] = ['product', 'capped', 'biased', 'softmax'];

function attributesOf(node: NodeSpec) {
  const mode = int(node, 'qk_matmul_output_mode', 0);
  const stage = STAGES[mode];
  if (stage === undefined)
    throw new UnsupportedError(`attribute "qk_matmul_output_mode": expected 0..3, found ${mode}`);
  const precision = int(node, 'softmax_precision', 0);
  const half = precision !== 0 && typeAttribute(precision, 'softmax_precision') === 'float16';
  if (precision !== 0 && !isFloating(typeAttribute(precision, 'softmax_precision')))
    throw new ModelError(`attribute "softmax_precision": expected a floating type, found ${precision}`);
  const softcap = float(node, 'softcap', 0);
  if (!(softcap >= 0)) throw new ModelError(`attribute "softcap": expected >= 0, found ${softcap}`);
  return {
    causal: flag(node, 'is_causal'),
    qHeads: int(node, 'q_num_heads', 0),
    kvHeads: int(node, 'kv_num_heads', 0),
    scale: node.attributes.has('scale') ? float(node, 'scale') : undefined,
    softcap,
    stage,
    half,
  };
}

/**
 * Attention of [batch, heads, length, size] or packed [batch, length, heads * size] inputs: grouped queries, boolean or additive
 * mask, causal mask aligned to the end of the cache, key and value cache, softcap before the mask (ONNX Attention-23, -24).
 * float16 and bfloat16 are computed in float; `softmax_precision` float16 is rounded to, others make no difference.
 * `qk_matmul_output` is, by mode, the product, the same capped, with bias and mask added, or its softmax.
 */
function build(node: NodeSpec): Run {
  const a = attributesOf(node);
  const padded = node.opset >= 24;
  return (inputs, rt) => {
    const given = (['Q', 'K', 'V'] as const).map((what, i) => need(inputs, i, what)) as [Tensor, Tensor, Tensor];
    const real = realFor(given, rt);
    const q = operand(given[0], a.qHeads, 'Q', real);
    const k = operand(given[1], a.kvHeads, 'K', real);
    const v = operand(given[2], a.kvHeads, 'V', real);
    check(q, k, v, given);
    const [batch, heads, kvHeads] = [q.batch, q.count, k.count];
    const past = cacheOf(inputs, k, v, real);
    const before = past?.length ?? 0;
    const total = before + k.heads.length;
    // Where nobody asks for the cache and there is no past, K and V are read where they lie.
    const grown = (x: Operand, old: Heads | undefined, at: number) =>
      past !== undefined || node.outputs > at
        ? appended(old, x.heads, batch, kvHeads, total, () => before, real)
        : undefined;
    const keys = grown(k, past?.key, 1);
    const values = grown(v, past?.value, 1);
    const rows = q.heads.length;
    const mask = inputs[3];
    const filled = inputs[6] === undefined ? undefined : lengthsOf(inputs[6], batch, total);
    const size = v.heads.size;
    const dims = q.packed ? [batch, rows, heads * size] : [batch, heads, rows, size];
    const y = real.empty(dims);
    const qk = node.outputs > 3 ? real.empty([batch, heads, rows, total]) : undefined;
    const o: Attend = {
      batch,
      heads,
      kvHeads,
      scale: a.scale ?? 1 / Math.sqrt(q.heads.size),
      softcap: a.softcap,
      biases: mask === undefined ? [] : [biasOf(mask, 'attn_mask', [batch, heads, rows, total], padded, real)],
      ...visibility(a.causal, past === undefined ? filled : undefined, filled, before, rows, total),
      half: a.half && real.dtype === 'float',
      tap: qk === undefined ? undefined : { stage: a.stage, at: qk.ptr },
    };
    const out = q.packed ? headsLast(dims, heads, y.ptr) : headsFirst(dims, y.ptr);
    attend(q.heads, keys?.heads ?? k.heads, values?.heads ?? v.heads, out, o, real);
    const results = [cast(y.done(), given[0].dtype, rt)];
    if (keys !== undefined && values !== undefined)
      results.push(cast(keys.done(), given[1].dtype, rt), cast(values.done(), given[2].dtype, rt));
    if (qk !== undefined) results.push(cast(qk.done(), given[0].dtype, rt));
    return results;
  };
}

function check(q: Operand, k: Operand, v: Operand, [tq, tk, tv]: readonly Tensor[]): void {
  const shapes = `Q [${tq!.dims}], K [${tk!.dims}], V [${tv!.dims}]`;
  if (q.batch !== k.batch || q.batch !== v.batch || q.packed !== k.packed || q.packed !== v.packed)
    throw new ModelError(`${shapes}: expected one rank and one batch size`);
  if (k.count !== v.count || k.heads.length !== v.heads.length)
    throw new ModelError(`${shapes}: expected as many heads and positions in K as in V`);
  if (q.heads.size !== k.heads.size || q.heads.size === 0)
    throw new ModelError(`${shapes}: expected heads of one size, found ${q.heads.size} and ${k.heads.size}`);
  if (k.count === 0 || q.count % k.count !== 0)
    throw new ModelError(`${shapes}: ${q.count} query heads do not divide among ${k.count} key heads`);
}

function cacheOf(inputs: readonly (Tensor | undefined)[], k: Operand, v: Operand, real: Real) {
  const [key, value] = [inputs[4], inputs[5]];
  if (key === undefined && value === undefined) return undefined;
  if (key === undefined || value === undefined) throw new ModelError('past_key and past_value: expected both or none');
  const length = key.dims[2] ?? 0;
  needDims(key, [k.batch, k.count, length, k.heads.size], 'past_key');
  needDims(value, [k.batch, k.count, length, v.heads.size], 'past_value');
  const heads = (t: Tensor, what: string) => headsFirst(t.dims, real.ptr(toReal(t, what, real)));
  return { key: heads(key, 'past_key'), value: heads(value, 'past_value'), length };
}

/** nonpad_kv_seqlen: how many of the keys are not padding, for each batch entry. */
function lengthsOf(t: Tensor, batch: number, total: number): number[] {
  const lengths = integers(needDims(t, [batch], 'nonpad_kv_seqlen'), 'nonpad_kv_seqlen');
  for (const n of lengths)
    if (n < 0 || n > total) throw new ModelError(`nonpad_kv_seqlen: expected 0..${total}, found ${n}`);
  return lengths;
}

/** Row s sees key j <= s + offset, offset the keys before this block of queries: the past, or what a full cache holds less the block. */
function visibility(
  causal: boolean,
  ends: readonly number[] | undefined,
  filled: readonly number[] | undefined,
  before: number,
  rows: number,
  total: number,
): Pick<Attend, 'visible'> {
  if (!causal && filled === undefined) return {};
  return {
    visible: (b, s) => {
      const last = causal ? s + (ends === undefined ? before : ends[b]! - rows) + 1 : total;
      return [0, Math.min(last, filled?.[b] ?? total)];
    },
  };
}

export const Attention: Op = since(23, build);
