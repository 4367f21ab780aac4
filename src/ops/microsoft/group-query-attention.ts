import { ModelError, UnsupportedError } from '../../errors.ts';
import type { Tensor } from '../../tensor.ts';
import { type Attend, attend } from '../attention-core.ts';
import { appended, biasOf, headsFirst, headSize, headsLast, needDims, needRank } from '../attention-inputs.ts';
import { flag, float, int, since, string } from '../attributes.ts';
import { withHalf } from '../half.ts';
import type { NodeSpec, Op, Run, Runtime } from '../op.ts';
import { Real } from '../precision.ts';
import { layoutOf, positionsOf } from '../rotary.ts';
import { integers, need, needFloat, scalar } from '../shape.ts';
import { angles, rotated } from './rotary.ts';

const STAGES = [undefined, 'biased', 'softmax'] as const;

function attributesOf(node: NodeSpec) {
  const heads = int(node, 'num_heads');
  const kvHeads = int(node, 'kv_num_heads');
  if (heads < 1 || kvHeads < 1 || heads % kvHeads !== 0)
    throw new ModelError(`${heads} query heads do not divide among ${kvHeads} key heads`);
  for (const name of ['k_quant_type', 'v_quant_type'])
    if (string(node, name, 'NONE') !== 'NONE') throw new UnsupportedError(`attribute "${name}": ${string(node, name)}`);
  if (flag(node, 'sliding_window_cache')) throw new UnsupportedError('attribute "sliding_window_cache": 1');
  const qk = int(node, 'qk_output', 0);
  if (qk < 0 || qk > 2) throw new UnsupportedError(`attribute "qk_output": expected 0..2, found ${qk}`);
  const window = int(node, 'local_window_size', -1);
  const causal = flag(node, 'causal', true);
  if (window !== -1 && (window < 1 || !causal))
    throw new ModelError(`attribute "local_window_size": expected -1, or >= 1 with a causal mask, found ${window}`);
  const scale = float(node, 'scale', 0);
  return {
    heads,
    kvHeads,
    scale: scale === 0 ? undefined : scale,
    softcap: float(node, 'softcap', 0),
    rotary: flag(node, 'do_rotary'),
    interleaved: flag(node, 'rotary_interleaved'),
    smooth: int(node, 'smooth_softmax', 0) === 1,
    window,
    causal,
    stage: STAGES[qk],
    epsilon: float(node, 'qk_norm_epsilon', Math.fround(1e-6)),
  };
}

/** Q, K, V [batch, length, heads * size], taken apart where they come as one. */
function operands(inputs: readonly (Tensor | undefined)[], heads: number, kvHeads: number, rt: Runtime) {
  const query = needRank(needFloat(inputs, 0, 'query'), 3, 'query');
  const [batch, length, hidden] = query.dims as [number, number, number];
  if (inputs[1] !== undefined) {
    const size = headSize(hidden, heads, 'query');
    const k = needDims(needFloat(inputs, 1, 'key'), [batch, length, kvHeads * size], 'key');
    const v = needDims(needFloat(inputs, 2, 'value'), [batch, length, kvHeads * size], 'value');
    return [query, k, v] as const;
  }
  const size = headSize(hidden, heads + 2 * kvHeads, 'query');
  const part = (from: number, n: number) => {
    const y = rt.empty('float', [batch, length, n * size]);
    if (y.data.length > 0)
      rt.wasm.k.permute4(rt.ptr(query) + 4 * from * size, 1, 1, batch * length, n * size, 0, 0, hidden, 1, rt.ptr(y));
    return y;
  };
  return [part(0, heads), part(heads, kvHeads), part(heads + kvHeads, kvHeads)] as const;
}

/** Root mean square normalization of every head [size]. */
function headNorm(x: Tensor, weight: Tensor, epsilon: number, rt: Runtime): Tensor {
  const size = weight.data.length;
  const y = rt.empty('float', x.dims);
  rt.wasm.k.rms_norm(rt.ptr(x), rt.ptr(weight), rt.ptr(y), size === 0 ? 0 : x.data.length / size, size, epsilon);
  return y;
}

/** Keys that each batch entry holds after this run. @throws ModelError for ones that do not fit */
function totalsOf(inputs: readonly (Tensor | undefined)[], batch: number, length: number): readonly [number[], number] {
  const lengths = integers(need(inputs, 5, 'seqlens_k'), 'seqlens_k');
  const most = scalar(need(inputs, 6, 'total_sequence_length'), 'total_sequence_length');
  if (lengths.length !== batch) throw new ModelError(`seqlens_k: expected ${batch} lengths, found ${lengths.length}`);
  if (!(most >= length)) throw new ModelError(`total_sequence_length: expected >= ${length}, found ${most}`);
  for (const n of lengths)
    if (n < 0 || n >= most) throw new ModelError(`seqlens_k: expected 0..${most - 1}, found ${n}`);
  return [lengths.map((n) => n + 1), most];
}

/**
 * Causal attention with fewer key heads than query heads over a cache [batch, heads, length, size], of which each batch entry
 * uses its own number of keys: rotary embedding, normalized heads, local window, softcap, additive bias, and a sink that takes
 * part in the softmax (0, or one a head, for `smooth_softmax`).
 */
export const GroupQueryAttention: Op = withHalf(
  since(1, (node): Run => {
    const a = attributesOf(node);
    return (inputs, rt) => {
      if (inputs[12] !== undefined || inputs[13] !== undefined)
        throw new UnsupportedError('k_scale and v_scale: quantized caches are not supported');
      let [q, k, v] = operands(inputs, a.heads, a.kvHeads, rt);
      const [batch, length] = q.dims as [number, number];
      const size = q.dims[2]! / a.heads;
      if (inputs[14] !== undefined || inputs[15] !== undefined) {
        q = headNorm(q, needDims(needFloat(inputs, 14, 'q_norm_weight'), [size], 'q_norm_weight'), a.epsilon, rt);
        k = headNorm(k, needDims(needFloat(inputs, 15, 'k_norm_weight'), [size], 'k_norm_weight'), a.epsilon, rt);
      }
      const [totals, most] = totalsOf(inputs, batch, length);
      // A prompt starts the cache; shorter entries of a prompt are padded on the right.
      const prompt = length === most;
      const before = (b: number) => (prompt ? 0 : totals[b]! - length);
      if (a.rotary) {
        const [cos, sin] = [needFloat(inputs, 7, 'cos_cache'), needFloat(inputs, 8, 'sin_cache')];
        const { rows, half } = angles(cos, sin);
        if (2 * half > size) throw new ModelError(`cos_cache [${cos.dims}]: heads have ${size} elements`);
        const ids = inputs[9] && positionsOf(needDims(inputs[9], [batch, length], 'position_ids'), rows);
        const last = Math.max(0, ...totals.map((_, b) => before(b) + length));
        if (ids === undefined && last > rows)
          throw new ModelError(`cos_cache [${cos.dims}]: expected ${last} positions or more`);
        const position = (b: number, s: number) => ids?.[b * length + s] ?? before(b) + s;
        const turn = (t: Tensor, heads: number) =>
          rotated(t, cos, sin, { ...layoutOf(t, heads), half, interleaved: a.interleaved, position }, rt);
        q = turn(q, a.heads);
        k = turn(k, a.kvHeads);
      }
      return attention(node, a, inputs, { q, k, v, batch, length, size, totals, most, before }, rt);
    };
  }),
);

interface Parts {
  readonly q: Tensor;
  readonly k: Tensor;
  readonly v: Tensor;
  readonly batch: number;
  readonly length: number;
  readonly size: number;
  readonly totals: readonly number[];
  readonly most: number;
  readonly before: (b: number) => number;
}

function attention(
  node: NodeSpec,
  a: ReturnType<typeof attributesOf>,
  inputs: readonly (Tensor | undefined)[],
  p: Parts,
  rt: Runtime,
): Tensor[] {
  const real = new Real(rt, 'float');
  const { batch, length, size } = p;
  const past = (i: number, what: string) => {
    const t = inputs[i];
    if (t === undefined) return undefined;
    needDims(needFloat(inputs, i, what), [batch, a.kvHeads, t.dims[2] ?? 0, size], what);
    return headsFirst(t.dims, rt.ptr(t));
  };
  const [pastKey, pastValue] = [past(3, 'past_key'), past(4, 'past_value')];
  if (pastKey?.length !== pastValue?.length)
    throw new ModelError('past_key and past_value: expected both, of one length, or none');
  const room = Math.max(p.most, pastKey?.length ?? 0);
  const grown = (t: Tensor, old: typeof pastKey) =>
    appended(old, headsLast(t.dims, a.kvHeads, rt.ptr(t)), batch, a.kvHeads, room, p.before, real);
  const key = grown(p.k, pastKey);
  const value = grown(p.v, pastValue);
  const bias = inputs[10] && biasOf(inputs[10], 'attention_bias', [batch, a.heads, length, p.most], false, real);
  const sinks = inputs[11]
    ? Float32Array.from(needDims(needFloat(inputs, 11, 'head_sink'), [a.heads], 'head_sink').data as Float32Array)
    : a.smooth
      ? new Float32Array(a.heads)
      : undefined;
  const dims = [batch, length, a.heads * size];
  const y = real.empty(dims);
  const qk = a.stage === undefined || node.outputs < 4 ? undefined : real.empty([batch, a.heads, length, p.most]);
  // Keys beyond the longest entry are room for later runs.
  const read = (c: typeof key) => ({ ...c.heads, length: p.most });
  const o: Attend = {
    batch,
    heads: a.heads,
    kvHeads: a.kvHeads,
    scale: a.scale ?? 1 / Math.sqrt(size),
    softcap: a.softcap,
    biases: bias === undefined ? [] : [bias],
    keys: (b) => p.before(b) + length,
    visible: (b, s) => {
      const end = a.causal ? p.before(b) + s + 1 : p.totals[b]!;
      return [a.window > 0 ? end - a.window : 0, end];
    },
    sinks,
    tap: qk === undefined || a.stage === undefined ? undefined : { stage: a.stage, at: qk.ptr },
  };
  attend(headsLast(p.q.dims, a.heads, rt.ptr(p.q)), read(key), read(value), headsLast(dims, a.heads, y.ptr), o, real);
  const out = [y.done(), key.done(), value.done()];
  if (qk === undefined) return out;
  // Scores of keys that a row may not see are told as 0.
  const scores = real.view(qk.ptr, qk.length);
  for (let i = 0; i < scores.length; i++) if (scores[i] === Number.NEGATIVE_INFINITY) scores[i] = 0;
  return [...out, qk.done()];
}
