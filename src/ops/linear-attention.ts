import { ModelError, UnsupportedError } from '../errors.ts';
import type { Tensor } from '../tensor.ts';
import { asFloats, headSize, needDims, needRank } from './attention-inputs.ts';
import { choice, float, int, since } from './attributes.ts';
import { cast } from './cast.ts';
import { scratchOf } from './gemm.ts';
import type { NodeSpec, Op, Run, Runtime } from './op.ts';
import { need } from './shape.ts';
import { apply } from './unary.ts';

/** Sequence operators that carry a state from one run to the next. All floating types are computed in float. */

const RULES = ['linear', 'gated', 'delta', 'gated_delta'] as const;

/** An input in float. */
function floats(inputs: readonly (Tensor | undefined)[], i: number, what: string, rt: Runtime): Tensor {
  return asFloats(need(inputs, i, what), what, rt);
}

/** exp of the decay: one factor a head and token, or one for every row of the state. */
function decayOf(t: Tensor, batch: number, length: number, heads: number, size: number, rt: Runtime) {
  const perRow = t.dims[2] === heads * size && t.dims[2] !== heads;
  needDims(t, [batch, length, perRow ? heads * size : heads], 'decay');
  return { factors: apply('exp', asFloats(t, 'decay', rt), rt), perRow };
}

/**
 * Linear attention as a recurrence over tokens, with state S [d_k, d_v] a key head (ONNX LinearAttention-27):
 * S = exp(g) S + k w', o = scale S' q; w is v, or beta (v - (exp(g) S)' k) for the delta rules (Yang et al., Gated Delta
 * Networks, 2024, eq. 10). Query heads share the key heads' states in consecutive groups.
 */
export function linearAttention(node: NodeSpec): Run {
  const qHeads = int(node, 'q_num_heads');
  const heads = int(node, 'kv_num_heads');
  if (heads < 1 || qHeads < 1 || qHeads % heads !== 0)
    throw new UnsupportedError(`${qHeads} query heads do not divide among ${heads} key heads`);
  if (int(node, 'state_window', 0) !== 0) throw new UnsupportedError('attribute "state_window": only 0 is supported');
  const rule = choice(node, 'update_rule', RULES, 'gated_delta');
  const gated = rule === 'gated' || rule === 'gated_delta';
  const delta = rule === 'delta' || rule === 'gated_delta';
  const told = float(node, 'scale', 0);
  const group = qHeads / heads;
  return (inputs, rt) => {
    const given = need(inputs, 0, 'query');
    const q = needRank(floats(inputs, 0, 'query', rt), 3, 'query');
    const [batch, length, hidden] = q.dims as [number, number, number];
    const dk = headSize(hidden, qHeads, 'query');
    const k = needDims(floats(inputs, 1, 'key', rt), [batch, length, heads * dk], 'key');
    const v = needRank(floats(inputs, 2, 'value', rt), 3, 'value');
    const dv = headSize(v.dims[2]!, heads, 'value');
    needDims(v, [batch, length, heads * dv], 'value');
    const state = rt.empty('float', [batch, heads, dk, dv]);
    const past = inputs[3] && asFloats(needDims(inputs[3], state.dims, 'past_state'), 'past_state', rt);
    const decay = gated ? decayOf(need(inputs, 4, 'decay'), batch, length, heads, dk, rt) : undefined;
    const beta = delta ? floats(inputs, 5, 'beta', rt) : undefined;
    const rates = beta?.dims[2] === 1 ? 1 : heads;
    if (beta !== undefined) needDims(beta, [batch, length, rates], 'beta');
    const y = rt.empty('float', [batch, length, qHeads * dv]);
    const scale = told === 0 ? 1 / Math.sqrt(dk) : told;
    const written = rt.scratch(4 * Math.max(dv, 1));
    const scratch = scratchOf(rt);
    const [pq, pk, pv, ps, py] = [q, k, v, state, y].map((t) => rt.ptr(t)) as [number, number, number, number, number];
    const factors = decay && rt.ptr(decay.factors);
    // Nothing is allocated from here on: the views stay valid.
    if (past === undefined) (state.data as Float32Array).fill(0);
    else (state.data as Float32Array).set(past.data as Float32Array);
    const { k: kernels, arena } = rt.wasm;
    const w = arena.f32(written, dv);
    const values = v.data as Float32Array;
    for (let b = 0; b < batch; b++)
      for (let t = 0; t < length; t++)
        for (let h = 0; h < heads; h++) {
          const token = (b * length + t) * heads + h;
          const s = ps + 4 * (b * heads + h) * dk * dv;
          const key = pk + 4 * token * dk;
          if (decay?.perRow) kernels.mul_col(s, factors! + 4 * token * dk, s, dk, dv);
          else if (decay) kernels.mul_scalar(s, (decay.factors.data as Float32Array)[token]!, s, dk * dv);
          let write = pv + 4 * token * dv;
          if (beta !== undefined) {
            kernels.gemm(0, 0, 1, dv, dk, 1, key, dk, s, dv, 0, written, dv, scratch);
            const rate = Number(beta.data[(b * length + t) * rates + (rates === 1 ? 0 : h)]);
            for (let d = 0; d < dv; d++) w[d] = rate * (values[token * dv + d]! - w[d]!);
            write = written;
          }
          kernels.gemm(1, 0, dk, dv, 1, 1, key, dk, write, dv, 1, s, dv, scratch);
          const first = (b * length + t) * qHeads + h * group;
          kernels.gemm(0, 0, group, dv, dk, scale, pq + 4 * first * dk, dk, s, dv, 0, py + 4 * first * dv, dv, scratch);
        }
    return [cast(y, given.dtype, rt), cast(state, inputs[3]?.dtype ?? given.dtype, rt)];
  };
}

export const LinearAttention: Op = since(27, linearAttention);

/**
 * Causal depthwise convolution [batch, channels, length] * [channels, 1, k] -> [batch, channels, length] over the k - 1
 * elements of past_state (zeros without) followed by the input, whose last k - 1 are the present state; SiLU on request
 * (ONNX CausalConvWithState-27).
 */
export function causalConv(node: NodeSpec): Run {
  const silu = choice(node, 'activation', ['none', 'silu', 'swish'] as const, 'none') !== 'none';
  if (int(node, 'ndim', 1) !== 1) throw new UnsupportedError('attribute "ndim": only 1 is supported');
  if (int(node, 'state_window', 0) !== 0) throw new UnsupportedError('attribute "state_window": only 0 is supported');
  return (inputs, rt) => {
    const given = need(inputs, 0, 'input');
    const x = needRank(floats(inputs, 0, 'input', rt), 3, 'input');
    const [batch, channels, length] = x.dims as [number, number, number];
    const weight = needRank(floats(inputs, 1, 'weight', rt), 3, 'weight');
    const size = weight.dims[2]!;
    if (size < 1) throw new ModelError(`weight: expected shape [${channels},1,k], found [${weight.dims}]`);
    needDims(weight, [channels, 1, size], 'weight');
    const bias = inputs[2] && needDims(floats(inputs, 2, 'bias', rt), [channels], 'bias');
    const state = rt.empty('float', [batch, channels, size - 1]);
    const past = inputs[3] && needDims(floats(inputs, 3, 'past_state', rt), state.dims, 'past_state');
    const y = rt.empty('float', x.dims);
    const [a, w, out, next] = [x, weight, y, state].map((t) => t.data as Float32Array) as [
      Float32Array,
      Float32Array,
      Float32Array,
      Float32Array,
    ];
    const padded = new Float32Array(size - 1 + length);
    for (let row = 0; row < batch * channels; row++) {
      const c = row % channels;
      const shift = bias === undefined ? 0 : Number(bias.data[c]);
      if (past !== undefined)
        padded.set((past.data as Float32Array).subarray(row * (size - 1), (row + 1) * (size - 1)));
      padded.set(a.subarray(row * length, (row + 1) * length), size - 1);
      for (let t = 0; t < length; t++) {
        let sum = shift;
        for (let j = 0; j < size; j++) sum += w[c * size + j]! * padded[t + j]!;
        out[row * length + t] = sum;
      }
      next.set(padded.subarray(length), row * (size - 1));
    }
    if (silu) {
      const s = apply('sigmoid', y, rt);
      rt.wasm.k.mul(rt.ptr(y), rt.ptr(s), rt.ptr(y), y.data.length);
    }
    return [cast(y, given.dtype, rt), cast(state, given.dtype, rt)];
  };
}

export const CausalConvWithState: Op = since(27, causalConv);
