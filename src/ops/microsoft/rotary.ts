import { ModelError, UnsupportedError } from '../../errors.ts';
import type { Tensor } from '../../tensor.ts';
import { needRank } from '../attention-inputs.ts';
import { flag, float, int, since } from '../attributes.ts';
import { withHalf } from '../half.ts';
import type { Op, Runtime } from '../op.ts';
import { layoutOf, pairsOf, positionsOf, type Rotation, rotate } from '../rotary.ts';
import { need, needFloat } from '../shape.ts';

/** x turned by the angles in cos and sin [positions, half], in a new tensor. */
export function rotated(x: Tensor, cos: Tensor, sin: Tensor, r: Rotation, rt: Runtime): Tensor {
  const y = rt.empty('float', x.dims);
  rotate(x.data as Float32Array, cos.data as Float32Array, sin.data as Float32Array, y.data as Float32Array, r);
  return y;
}

/** cos and sin caches, of one shape [positions, half]. */
export function angles(cos: Tensor, sin: Tensor): { readonly rows: number; readonly half: number } {
  needRank(cos, 2, 'cos_cache');
  if (String(cos.dims) !== String(sin.dims))
    throw new ModelError(`sin_cache: expected shape [${cos.dims}] of the cos_cache, found [${sin.dims}]`);
  return { rows: cos.dims[0]!, half: cos.dims[1]! };
}

/**
 * Rotary position embedding of [batch, heads, length, size] or [batch, length, heads * size]; position_ids are [batch, length]
 * or one offset. Without `num_heads` and `rotary_embedding_dim` heads are as wide as the caches say.
 */
export const RotaryEmbedding: Op = withHalf(
  since(1, (node) => {
    const interleaved = flag(node, 'interleaved');
    const dim = int(node, 'rotary_embedding_dim', 0);
    const heads = int(node, 'num_heads', 0);
    if (float(node, 'scale', 1) !== 1) throw new UnsupportedError('attribute "scale": only 1 is supported');
    if (flag(node, 'is_packed_batching'))
      throw new UnsupportedError('attribute "is_packed_batching": 1 is not supported');
    return (inputs, rt) => {
      const x = needFloat(inputs, 0, 'input');
      const [cos, sin] = [needFloat(inputs, 2, 'cos_cache'), needFloat(inputs, 3, 'sin_cache')];
      const { rows, half } = angles(cos, sin);
      const hidden = x.dims[x.dims.length - 1] ?? 0;
      const layout = layoutOf(x, heads > 0 ? heads : Math.floor(hidden / Math.max(2 * half, 1)));
      if (pairsOf(dim, layout.size) !== half)
        throw new ModelError(`cos_cache [${cos.dims}]: expected ${pairsOf(dim, layout.size)} columns`);
      const ids = need(inputs, 1, 'position_ids');
      const { batches, length } = layout;
      const listed = positionsOf(ids, rows);
      if (listed.length !== 1 && String(ids.dims) !== String([batches, length]))
        throw new ModelError(`position_ids: expected shape [1] or [${batches},${length}], found [${ids.dims}]`);
      const offset = ids.dims.length === 1;
      if (offset && listed[0]! + length > rows)
        throw new ModelError(`position_ids: ${listed[0]} and ${length} positions exceed the ${rows} of the caches`);
      const position = (b: number, s: number) => (offset ? listed[0]! + s : listed[b * length + s]!);
      return [rotated(x, cos, sin, { ...layout, half, interleaved, position }, rt)];
    };
  }),
);
