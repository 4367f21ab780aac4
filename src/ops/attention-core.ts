import type { Bias, Heads } from './attention-inputs.ts';
import { scratchOf } from './gemm.ts';
import type { Real } from './precision.ts';
import { soft } from './softmax.ts';

/**
 * Scaled dot-product attention, softmax(scale Q K' + bias) V, head by head (Vaswani et al., Attention Is All You Need, 2017,
 * eq. 1): what ai.onnx's and com.microsoft's attention operators share, in float or double. Both products and the softmax run
 * in kernels; heads are read and written where they lie, so packed [batch, length, heads * size] inputs need no transposition.
 */

/** Where the pipeline of one head's scores may be read: the product, after the cap, after bias and mask, after softmax. */
export type Stage = 'product' | 'capped' | 'biased' | 'softmax';

export interface Attend {
  readonly batch: number;
  readonly heads: number;
  /** Heads of K and V; each serves heads / kvHeads consecutive heads of Q. */
  readonly kvHeads: number;
  readonly scale: number;
  /** Scores become cap tanh(score / cap); 0 for none. */
  readonly softcap?: number;
  readonly biases?: readonly Bias[];
  /** Keys [from, to) that row s of batch entry b may see; scores outside become `hidden`. */
  readonly visible?: (b: number, s: number) => readonly [number, number];
  /** -Infinity where absent. */
  readonly hidden?: number;
  /** Number of keys of batch entry b that take part at all, of k.length. */
  readonly keys?: (b: number) => number;
  /** One number a head, which joins its rows' softmax as the score of a key whose value is zero. */
  readonly sinks?: Float32Array | Float64Array | undefined;
  /** Softmax over float16: its argument and its result, in float, are rounded. */
  readonly half?: boolean;
  /** Copies that stage of all scores to `at`: [batch, heads, rows, keys] numbers, 0 where a batch entry has fewer keys. */
  readonly tap?: { readonly stage: Stage; readonly at: number } | undefined;
}

/** One head's product scale Q K' [rows, keys], its rows `ld` floats apart. */
export function scoresOf(
  real: Real,
  scratch: number,
  q: Heads,
  k: Heads,
  o: Pick<Attend, 'heads' | 'kvHeads' | 'scale'>,
  b: number,
  h: number,
  keys: number,
  y: number,
  ld: number,
): void {
  const kv = Math.floor((h * o.kvHeads) / o.heads);
  const at = real.at(q.at, b * q.batch + h * q.head);
  const from = real.at(k.at, b * k.batch + kv * k.head);
  real.k.gemm(0, 1, q.length, keys, q.size, o.scale, at, q.row, from, k.row, 0, y, ld, scratch);
}

/** One head's product P V, for the shares P [rows, keys], their rows `ld` floats apart. */
export function weigh(
  real: Real,
  scratch: number,
  v: Heads,
  y: Heads,
  o: Pick<Attend, 'heads' | 'kvHeads'>,
  b: number,
  h: number,
  keys: number,
  p: number,
  ld: number,
): void {
  const kv = Math.floor((h * o.kvHeads) / o.heads);
  const from = real.at(v.at, b * v.batch + kv * v.head);
  const to = real.at(y.at, b * y.batch + h * y.head);
  real.k.gemm(0, 0, y.length, v.size, keys, 1, p, ld, from, v.row, 0, to, y.row, scratch);
}

/**
 * Attention of every head of Q into y, whose rows are Q's and whose heads are as wide as V's. A row that sees no key, all its
 * scores -Infinity, has shares of 0, as onnxruntime has it; the bare formula would make them NaN.
 */
export function attend(q: Heads, k: Heads, v: Heads, y: Heads, o: Attend, real: Real): void {
  const rows = q.length;
  if (o.batch === 0 || o.heads === 0 || rows === 0) return;
  const sink = o.sinks === undefined ? 0 : 1;
  const most = rows * (k.length + sink);
  const scratch = scratchOf(real.rt);
  const p = real.scratch(most);
  const halfway = o.half ? real.rt.scratch(2 * most) : 0;
  // Nothing is allocated from here on: the views stay valid.
  const all = real.view(p, most);
  for (let b = 0; b < o.batch; b++) {
    const keys = o.keys?.(b) ?? k.length;
    const ld = keys + sink;
    const n = rows * ld;
    const tap = (stage: Stage, h: number) => {
      if (o.tap?.stage !== stage) return;
      const out = real.view(real.at(o.tap.at, (b * o.heads + h) * rows * k.length), rows * k.length);
      if (keys < k.length) out.fill(0);
      for (let s = 0; s < rows; s++) out.set(all.subarray(s * ld, s * ld + keys), s * k.length);
    };
    const rounded = () => {
      if (!o.half) return;
      real.rt.wasm.k.f32_to_f16(p, n, halfway);
      real.rt.wasm.k.f16_to_f32(halfway, n, p);
    };
    for (let h = 0; h < o.heads; h++) {
      scoresOf(real, scratch, q, k, o, b, h, keys, p, ld);
      tap('product', h);
      if (o.softcap) {
        real.k.mul_scalar(p, 1 / o.softcap, p, n);
        real.k.tanh(p, p, n);
        real.k.mul_scalar(p, o.softcap, p, n);
      }
      tap('capped', h);
      for (const bias of o.biases ?? []) addBias(real, bias, p, rows, keys, ld, k.length, b, h);
      if (o.visible !== undefined) hide(all, o.visible, b, rows, keys, ld, o.hidden ?? Number.NEGATIVE_INFINITY);
      tap('biased', h);
      if (o.sinks !== undefined) for (let s = 0; s < rows; s++) all[s * ld + keys] = o.sinks[h]!;
      rounded();
      const blind = o.sinks === undefined ? blindRows(all, rows, ld) : [];
      softmaxRows(real, p, p, rows, ld);
      for (const s of blind) all.fill(0, s * ld, (s + 1) * ld);
      rounded();
      tap('softmax', h);
      weigh(real, scratch, v, y, o, b, h, keys, p, ld);
    }
  }
}

/** The rows whose elements all are -Infinity. */
function blindRows(scores: Float32Array | Float64Array, rows: number, cols: number): number[] {
  const out: number[] = [];
  for (let s = 0; s < rows; s++) {
    let i = s * cols;
    while (i < (s + 1) * cols && scores[i] === Number.NEGATIVE_INFINITY) i++;
    if (i === (s + 1) * cols && cols > 0) out.push(s);
  }
  return out;
}

/** y [rows, cols] = softmax of the rows of x; y may be x. */
export function softmaxRows(real: Real, x: number, y: number, rows: number, cols: number): void {
  if (real.dtype === 'float') real.rt.wasm.k.softmax(x, y, rows, cols);
  else soft(false)(real.view(x, rows * cols), real.view(y, rows * cols), rows, cols);
}

/** Adds the bias of head (b, h), whose rows are `length` apart, to the scores at p. */
function addBias(
  real: Real,
  bias: Bias,
  p: number,
  rows: number,
  keys: number,
  ld: number,
  length: number,
  b: number,
  h: number,
): void {
  const from = real.at(bias.at, b * bias.batch + h * bias.head);
  if (ld === length) real.k.add(p, from, p, rows * ld);
  else
    for (let s = 0; s < rows; s++) real.k.add(real.at(p, s * ld), real.at(from, s * length), real.at(p, s * ld), keys);
}

function hide(
  scores: Float32Array | Float64Array,
  visible: (b: number, s: number) => readonly [number, number],
  b: number,
  rows: number,
  keys: number,
  ld: number,
  hidden: number,
): void {
  for (let s = 0; s < rows; s++) {
    const [from, to] = visible(b, s);
    scores.fill(hidden, s * ld, s * ld + Math.min(Math.max(from, 0), keys));
    scores.fill(hidden, s * ld + Math.min(Math.max(to, from, 0), keys), s * ld + keys);
  }
}
