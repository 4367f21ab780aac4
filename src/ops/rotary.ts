import { ModelError } from '../errors.ts';
import type { Tensor } from '../tensor.ts';
import { asFloats, headSize, needDims } from './attention-inputs.ts';
import { flag, int, since } from './attributes.ts';
import { cast } from './cast.ts';
import type { Op, Runtime } from './op.ts';
import { integers, need } from './shape.ts';

/** What turns the first 2 `half` elements of every head; element (b, h, s, d) is number b batch + h head + s row + d. */
export interface Rotation {
  readonly batches: number;
  readonly heads: number;
  readonly length: number;
  readonly size: number;
  readonly batch: number;
  readonly head: number;
  readonly row: number;
  /** Pairs turned, at most size / 2. */
  readonly half: number;
  /** Pairs are neighbours (2 i, 2 i + 1), not (i, i + half). */
  readonly interleaved: boolean;
  /** Row of cos and sin for position s of batch entry b; `half` numbers each. */
  readonly position: (b: number, s: number) => number;
}

/** Rotary position embedding (Su et al., RoFormer, 2021, section 3.4): y = x with its pairs turned by the angles of their position. */
export function rotate(x: Float32Array, cos: Float32Array, sin: Float32Array, y: Float32Array, r: Rotation): void {
  const step = r.interleaved ? 2 : 1;
  const apart = r.interleaved ? 1 : r.half;
  for (let b = 0; b < r.batches; b++)
    for (let s = 0; s < r.length; s++) {
      const angle = r.position(b, s) * r.half;
      for (let h = 0; h < r.heads; h++) {
        const at = b * r.batch + h * r.head + s * r.row;
        for (let i = 0; i < r.half; i++) {
          const p = at + i * step;
          const c = cos[angle + i]!;
          const n = sin[angle + i]!;
          const u = x[p]!;
          const v = x[p + apart]!;
          y[p] = c * u - n * v;
          y[p + apart] = n * u + c * v;
        }
        for (let d = at + 2 * r.half; d < at + r.size; d++) y[d] = x[d]!;
      }
    }
}

/** Layout of x: [batch, heads, length, size], or [batch, length, heads * size] with `heads` told. */
export function layoutOf(x: Tensor, heads: number) {
  if (x.dims.length === 4) {
    const [batches, n, length, size] = x.dims as [number, number, number, number];
    return { batches, heads: n, length, size, batch: n * length * size, head: length * size, row: size };
  }
  if (x.dims.length !== 3) throw new ModelError(`X: expected rank 3 or 4, found [${x.dims}]`);
  const [batches, length, hidden] = x.dims as [number, number, number];
  const size = headSize(hidden, heads, 'X');
  return { batches, heads, length, size, batch: length * hidden, head: size, row: hidden };
}

/** Number of pairs turned. @throws ModelError where there are not so many elements, or they do not pair */
export function pairsOf(dim: number, size: number): number {
  const turned = dim === 0 ? size : dim;
  if (turned % 2 !== 0 || turned < 0 || turned > size)
    throw new ModelError(`rotary dimension: expected an even number up to ${size}, found ${turned}`);
  return turned / 2;
}

/** Rows of a cache for positions told by an int64 [batch, length] tensor. @throws ModelError for one outside 0..rows-1 */
export function positionsOf(ids: Tensor, rows: number): number[] {
  const p = integers(ids, 'position_ids');
  for (const v of p)
    if (!(v >= 0 && v < rows)) throw new ModelError(`position_ids: expected 0..${rows - 1}, found ${v}`);
  return p;
}

/** cos and sin in float: [rows, half] each. */
export function cachesOf(cos: Tensor, sin: Tensor, dims: readonly number[], rt: Runtime): [Tensor, Tensor] {
  return [
    asFloats(needDims(cos, dims, 'cos_cache'), 'cos_cache', rt),
    asFloats(needDims(sin, dims, 'sin_cache'), 'sin_cache', rt),
  ];
}

/**
 * Rotary position embedding of [batch, heads, length, size] or [batch, length, heads * size]; cos and sin are [positions, half]
 * with position_ids [batch, length], or [batch, length, half] without (ONNX RotaryEmbedding-23). Computed in float.
 */
export const RotaryEmbedding: Op = since(23, (node) => {
  const interleaved = flag(node, 'interleaved');
  const dim = int(node, 'rotary_embedding_dim', 0);
  const heads = int(node, 'num_heads', 0);
  return (inputs, rt) => {
    const given = need(inputs, 0, 'X');
    const x = asFloats(given, 'X', rt);
    const layout = layoutOf(x, heads);
    const half = pairsOf(dim, layout.size);
    const [cos, sin] = [need(inputs, 1, 'cos_cache'), need(inputs, 2, 'sin_cache')];
    const ids = inputs[3];
    const { batches, length } = layout;
    const rows = cos.dims[0] ?? 0;
    const [c, s] = cachesOf(cos, sin, ids === undefined ? [batches, length, half] : [rows, half], rt);
    const listed = ids && positionsOf(needDims(ids, [batches, length], 'position_ids'), rows);
    const y = rt.empty('float', x.dims);
    const position = (b: number, i: number) => (listed ? listed[b * length + i]! : b * length + i);
    const floats = [x, c, s, y].map((t) => t.data as Float32Array) as [
      Float32Array,
      Float32Array,
      Float32Array,
      Float32Array,
    ];
    rotate(...floats, { ...layout, half, interleaved, position });
    return [cast(y, given.dtype, rt)];
  };
});
