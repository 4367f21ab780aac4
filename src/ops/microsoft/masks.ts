import { ModelError, UnsupportedError } from '../../errors.ts';
import type { Tensor } from '../../tensor.ts';
import type { Bias } from '../attention-inputs.ts';
import type { Runtime } from '../op.ts';

/** Sizes of one attention: queries `rows`, after `past` cached keys, `keys` in all. */
export interface Extent {
  readonly batch: number;
  readonly rows: number;
  readonly keys: number;
}

/** True where batch entry b, row s may see key j. */
type Seen = (b: number, s: number, j: number) => boolean;

/**
 * The forms a mask comes in, of int32 (ContribOperators, com.microsoft.Attention): [batch] ends of the right-padded sequences;
 * [2 batch] ends, then starts; [batch, keys], [batch, rows, keys] and [batch, 1, longest, longest] 0 where hidden.
 */
function seenBy(mask: Tensor, { batch, rows, keys }: Extent): { readonly seen: Seen; readonly perRow: boolean } {
  const d = mask.dims;
  const at = (i: number) => Number(mask.data[i]);
  const is = (...dims: number[]) => d.length === dims.length && dims.every((n, i) => n === d[i]);
  if (is(batch)) return { seen: (b, _, j) => j < at(b), perRow: false };
  if (is(2 * batch)) return { seen: (b, _, j) => j < at(b) && j >= at(batch + b), perRow: false };
  if (is(3 * batch + 2)) throw new UnsupportedError(`mask of shape [${d}]: cumulated lengths are not supported`);
  if (is(batch, keys)) return { seen: (b, _, j) => at(b * keys + j) !== 0, perRow: false };
  if (is(batch, rows, keys)) return { seen: (b, s, j) => at((b * rows + s) * keys + j) !== 0, perRow: true };
  const longest = d[3] ?? 0;
  if (is(batch, 1, longest, longest) && longest >= keys) {
    const first = keys - rows;
    return { seen: (b, s, j) => at((b * longest + first + s) * longest + j) !== 0, perRow: true };
  }
  throw new ModelError(
    `mask: expected shape [${batch}], [${2 * batch}], [${batch},${keys}] or [${batch},${rows},${keys}], found [${d}]`,
  );
}

/** The mask as an addend of the scores: `filter` where hidden. */
export function maskBias(mask: Tensor, extent: Extent, filter: number, rt: Runtime): Bias {
  if (mask.dtype !== 'int32') throw new ModelError(`mask: expected type int32, found ${mask.dtype}`);
  const { batch, rows, keys } = extent;
  const { seen, perRow } = seenBy(mask, extent);
  const y = rt.empty('float', [batch, rows, keys]);
  const out = y.data as Float32Array;
  for (let b = 0, q = 0; b < batch; b++)
    for (let s = 0; s < rows; s++, q += keys) {
      if (s > 0 && !perRow) out.copyWithin(q, q - keys, q);
      else for (let j = 0; j < keys; j++) out[q + j] = seen(b, s, j) ? 0 : filter;
    }
  return { at: rt.ptr(y), batch: rows * keys, head: 0 };
}
