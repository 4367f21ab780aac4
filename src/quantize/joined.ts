import type { Slice } from '../grid/coded.ts';
import type { QuantizedWeight } from './format.ts';

/**
 * Weights alike but for their number of rows, one after the other along the axis of the rows, as one.
 * @throws RangeError for none
 */
export function joinedWeight(weights: readonly QuantizedWeight[]): QuantizedWeight {
  const [first] = weights;
  if (!first) throw new RangeError('weights: expected at least one, found none');
  if (weights.length === 1) return first;
  const { name, rowAxis } = first;
  const counts = weights.map((w) => w.dims[rowAxis]!);
  const dims = first.dims.map((d, i) => (i === rowAxis ? counts.reduce((a, b) => a + b, 0) : d));
  let start = 0;
  const parts = weights.flatMap(({ coded }, i) => {
    const from = start;
    start += counts[i]!;
    return coded.map((slice) => ({ from, slice }));
  });
  const widths = [...new Set(parts.map((p) => p.slice.grid.bits))].sort((a, b) => a - b);
  const slices = widths.map((bits) => joinedSlice(parts.filter((p) => p.slice.grid.bits === bits)));
  const coded = widths.length === 1 ? slices.map((s) => ({ ...s, rows: undefined })) : slices;
  return { name, rowAxis, dims, coded };
}

interface Placed {
  /** Where the slice's weight begins. */
  readonly from: number;
  readonly slice: Slice;
}

/** Slices of one width as one; of those without zero points, beside others that have them, the middle is written. */
function joinedSlice(parts: readonly Placed[]): Slice {
  const grids = parts.map((p) => p.slice.grid);
  const { bits, cols, block, scaleType } = grids[0]!;
  const codes = parts.map((p) => p.slice.codes);
  const wide = codes[0] instanceof Uint16Array;
  const symmetric = grids.every((g) => g.symmetric);
  const middle = 2 ** (bits - 1);
  const array = wide ? Uint16Array : Uint8Array;
  const zeros = grids.map((g) => g.zeros ?? new array(g.scales.length).fill(middle));
  const grid = {
    bits,
    rows: grids.reduce((n, g) => n + g.rows, 0),
    cols,
    block,
    symmetric,
    scales: concatenated(grids.map((g) => g.scales)),
    zeros: symmetric ? undefined : concatenated<Uint8Array | Uint16Array>(zeros),
    scaleType,
  };
  return {
    rows: parts.flatMap(({ from, slice }) => (slice.rows ?? range(slice.grid.rows)).map((r) => from + r)),
    grid,
    codes: concatenated(codes),
  };
}

function range(n: number): number[] {
  return Array.from({ length: n }, (_, i) => i);
}

/** Arrays one after the other. @throws RangeError for none */
export function concatenated<T extends Uint8Array | Int8Array | Uint16Array | Float32Array>(parts: readonly T[]): T {
  const [first] = parts;
  if (!first) throw new RangeError('arrays: expected at least one, found none');
  const out = new (first.constructor as new (n: number) => T)(parts.reduce((n, p) => n + p.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}
