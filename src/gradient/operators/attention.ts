import { UnsupportedError } from '../../errors.ts';
import { binary } from '../../ops/arithmetic.ts';
import { float, has, int } from '../../ops/attributes.ts';
import { findOperator, OPSETS } from '../../ops/registry.ts';
import type { Runtime } from '../../ops/op.ts';
import { transpose } from '../../ops/transpose.ts';
import type { Tensor } from '../../tensor.ts';
import { type Call, type Gradient, specOf, zeros } from '../gradient.ts';
import { adder } from './linear.ts';

/**
 * Scaled dot-product attention Y = P V, P = softmax(scale Q K' + mask). P is what the operator itself gives for V = I, so that
 * every kind of mask it knows is right here too.
 */

type Inputs = readonly (Tensor | undefined)[];

/** [batch, length, heads * size] as [batch, heads, length, size]; rank 4 as it is. */
function headsFirst(t: Tensor, heads: number, rt: Runtime): Tensor {
  if (t.dims.length === 4) return t;
  const [batch, length, width] = t.dims as [number, number, number];
  return transpose(rt.view(t, [batch, length, heads, width / heads]), [0, 2, 1, 3], rt);
}

/** The inverse, to a shape of rank 3 or 4. */
function headsBack(t: Tensor, dims: readonly number[], rt: Runtime): Tensor {
  return dims.length === 4 ? t : rt.view(transpose(t, [0, 2, 1, 3], rt), dims);
}

/** V = I for every head: [batch, heads, keys, keys], or packed as `v` is. */
function identity(v: Tensor, heads: number, keys: number, rt: Runtime): Tensor {
  const batch = v.dims[0]!;
  const whole = zeros([batch, heads, keys, keys], rt);
  const out = whole.data as Float32Array;
  for (let i = 0; i < batch * heads * keys; i++) out[i * keys + (i % keys)] = 1;
  return headsBack(whole, v.dims.length === 4 ? whole.dims : [batch, keys, heads * keys], rt);
}

interface Attention {
  readonly q: Tensor;
  readonly k: Tensor;
  readonly v: Tensor;
  readonly heads: number;
  readonly kvHeads: number;
  readonly scale: number | undefined;
  /** The operator on other values. */
  readonly on: (v: Tensor) => Tensor;
}

/** Gradients of Q, K and V. */
function gradients(a: Attention, given: Tensor, rt: Runtime): [Tensor, Tensor, Tensor] {
  const { heads, kvHeads } = a;
  const [q, k, v] = [headsFirst(a.q, heads, rt), headsFirst(a.k, kvHeads, rt), headsFirst(a.v, kvHeads, rt)];
  const [batch, , rows, size] = q.dims as [number, number, number, number];
  const [keys, wide] = v.dims.slice(2) as [number, number];
  const p = headsFirst(a.on(identity(a.v, kvHeads, keys, rt)), heads, rt);
  const dy = headsFirst(given, heads, rt);
  const scale = a.scale ?? 1 / Math.sqrt(size);
  const made = [q, k, v].map((t) => zeros(t.dims, rt)) as [Tensor, Tensor, Tensor];
  const scores = rt.scratch(4 * rows * keys);
  const add = adder(rt);
  const [pq, pk, pv, pp, py] = [q, k, v, p, dy].map((t) => rt.ptr(t)) as [number, number, number, number, number];
  const [dq, dk, dv] = made.map((t) => rt.ptr(t)) as [number, number, number];
  for (let i = 0; i < batch * heads; i++) {
    const j = Math.floor(i / heads) * kvHeads + Math.floor((i % heads) / (heads / kvHeads));
    const [atQ, atK, atV] = [4 * i * rows * size, 4 * j * keys * size, 4 * j * keys * wide];
    const weights = pp + 4 * i * rows * keys;
    const g = py + 4 * i * rows * wide;
    add(1, 0, keys, wide, rows, 1, weights, g, dv + atV);
    rt.wasm.arena.f32(scores, rows * keys).fill(0);
    add(0, 1, rows, keys, wide, 1, g, pv + atV, scores);
    rt.wasm.k.softmax_gradient(weights, scores, scores, rows, keys);
    add(0, 0, rows, size, keys, scale, scores, pk + atK, dq + atQ);
    add(1, 0, keys, size, rows, scale, scores, pq + atQ, dk + atK);
  }
  return [a.q, a.k, a.v].map((t, i) => headsBack(made[i]!, t.dims, rt)) as [Tensor, Tensor, Tensor];
}

/** The call's operator with other inputs, first output only. */
function runner(call: Call, rt: Runtime): (inputs: Inputs) => Tensor {
  const { node } = call;
  const run = findOperator(node.domain, node.opType, OPSETS.newest)!.build({
    ...specOf(node, OPSETS.newest),
    outputs: 1,
  });
  return (inputs) => run(inputs, rt)[0]!;
}

function refuse(call: Call, wants: readonly boolean[], unused: readonly number[]): void {
  if (wants.slice(3).includes(true)) throw new UnsupportedError('the gradient in a mask or bias');
  if (call.dy.slice(1).some((g) => g !== undefined)) throw new UnsupportedError('the gradient of the second output');
  if (unused.some((i) => call.inputs[i] !== undefined)) throw new UnsupportedError('the gradient with a past');
}

export const Attention: Gradient = (call, wants, rt) => {
  refuse(call, wants, [4, 5]);
  const spec = specOf(call.node, OPSETS.newest);
  if (float(spec, 'softcap', 0) !== 0) throw new UnsupportedError('the gradient with a softcap');
  const [q, k, v] = call.inputs as [Tensor, Tensor, Tensor];
  const run = runner(call, rt);
  const heads = (t: Tensor, name: string) => (t.dims.length === 4 ? t.dims[1]! : int(spec, name));
  const made = gradients(
    {
      q,
      k,
      v,
      heads: heads(q, 'q_num_heads'),
      kvHeads: heads(k, 'kv_num_heads'),
      scale: has(spec, 'scale') ? float(spec, 'scale') : undefined,
      on: (other) => run(call.inputs.map((t, i) => (i === 2 ? other : t))),
    },
    call.dy[0]!,
    rt,
  );
  return made.map((g, i) => (wants[i] ? g : undefined));
};

/** com.microsoft's, of separate queries, keys and values [batch, length, heads * size], with their bias. */
export const MultiHeadAttention: Gradient = (call, wants, rt) => {
  refuse(call, wants, [6, 7]);
  const spec = specOf(call.node, OPSETS.newest);
  const parts = call.inputs.slice(0, 3);
  if (parts.some((t) => t?.dims.length !== 3))
    throw new UnsupportedError('the gradient for packed queries, keys or values');
  const heads = int(spec, 'num_heads');
  const scale = float(spec, 'scale', 0);
  const run = runner(call, rt);
  const bias = call.inputs[3];
  let from = 0;
  const [q, k, v] = parts.map((t) => {
    const width = t!.dims[2]!;
    if (bias === undefined) return t!;
    const own = rt.empty('float', [width]);
    (own.data as Float32Array).set((bias.data as Float32Array).subarray(from, from + width));
    from += width;
    return binary('add', t!, own, rt);
  }) as [Tensor, Tensor, Tensor];
  const on = (other: Tensor) => run([q, k, other, undefined, ...call.inputs.slice(4)]);
  const attention = { q, k, v, heads, kvHeads: heads, scale: scale === 0 ? undefined : scale, on };
  return gradients(attention, call.dy[0]!, rt).map((g, i) => (wants[i] ? g : undefined));
};
