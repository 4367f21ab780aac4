import { UsageError } from '../errors.ts';

/** Bytes of one row of a layer, by what they are. Rows of w weights at b bits take w b / 8 bytes of codes, each width's rows padded to 8 codes. */
export interface RowPrice {
  /** Codes stored for a row: its weights, filled up to whole blocks. */
  readonly codes: number;
  readonly scales: number;
  /** Of every row, where any row of the layer has a width with zero points. */
  readonly zeros: number;
  /** Of the layer, where its rows have more than one width: which row has which. */
  readonly order: number;
  /** Of every width in use but the first: what its nodes take in the file, where the budget is that of a file. 0 where absent. */
  readonly slice?: number;
}

/** A layer's rows: every row at every width. */
export interface RowLayer {
  readonly name: string;
  readonly weight: string;
  readonly rows: number;
  /**
   * Ascending, 2..8, and before these 0 where rows may be left out: never all of a layer's. One of 2..8 where the layer is pinned.
   */
  readonly widths: readonly number[];
  /** Those of them with zero points. */
  readonly asymmetric: readonly number[];
  readonly price: RowPrice;
  /** Predicted damage of each row alone, [rows, widths], finite and >= 0; the layer's is the sum of its rows'. */
  readonly damage: Float64Array;
}

/** Layers whose rows may each have a width of their own. */
export interface RowTable {
  readonly layers: readonly RowLayer[];
  /** Groups of names of layers that share one width throughout. */
  readonly ties?: readonly (readonly string[])[] | undefined;
}

/**
 * Bytes of a layer with counts[j] rows at widths[j], exactly as the dense format writes them, and its slices' price.
 */
export function layerBytes({ widths, asymmetric, price, rows }: RowLayer, counts: ArrayLike<number>): number {
  let bytes = rows * price.scales;
  let used = 0;
  let zeros = false;
  for (let j = 0; j < widths.length; j++) {
    const count = counts[j]!;
    if (count === 0) continue;
    const bits = widths[j]!;
    used++;
    zeros ||= asymmetric.includes(bits);
    bytes += bits === 8 ? count * price.codes : Math.ceil((count * price.codes) / 8) * bits;
  }
  return bytes + (zeros ? rows * price.zeros : 0) + (used > 1 ? price.order + (used - 1) * (price.slice ?? 0) : 0);
}

/** Bytes of a layer with all rows at widths[j]. */
export function uniformBytes(layer: RowLayer, j: number): number {
  return layerBytes(
    layer,
    layer.widths.map((_, i) => (i === j ? layer.rows : 0)),
  );
}

/** @throws RangeError naming the layer and what is wrong with it, UsageError for a tie that cannot be kept */
export function checkRowTable({ layers, ties = [] }: RowTable): void {
  if (layers.length === 0) throw new UsageError('row table: expected at least one layer, found none');
  const names = new Map(layers.map((l) => [l.name, l]));
  if (names.size !== layers.length) throw new RangeError('row table: expected layer names that differ');
  for (const { name, rows, widths, damage, price, asymmetric } of layers) {
    const at = `row table, layer '${name}'`;
    if (!Number.isSafeInteger(rows) || rows < 1) throw new RangeError(`${at}: expected rows >= 1, found ${rows}`);
    if (
      !widths.some((b) => b > 0) ||
      widths.some((b, j) => !(Number.isInteger(b) && (b === 0 || b >= 2) && b <= 8 && b > (widths[j - 1] ?? -1)))
    )
      throw new RangeError(
        `${at}: expected ascending widths of 2 to 8, or 0 and such, found ${widths.join(', ') || 'none'}`,
      );
    if (asymmetric.some((b) => !Number.isInteger(b))) throw new RangeError(`${at}: asymmetric: expected widths`);
    if (damage.length !== rows * widths.length)
      throw new RangeError(`${at}: expected ${rows * widths.length} damages, found ${damage.length}`);
    const bad = damage.find((d) => !(d >= 0 && Number.isFinite(d)));
    if (bad !== undefined) throw new RangeError(`${at}: expected finite damages >= 0, found ${bad}`);
    const { codes, scales, zeros, order, slice = 0 } = price;
    if (![codes, scales, zeros, order, slice].every((n) => Number.isSafeInteger(n) && n >= 0) || codes === 0)
      throw new RangeError(`${at}: expected whole bytes a row, found ${codes}, ${scales}, ${zeros}, ${order}`);
  }
  for (const tie of ties)
    for (const name of tie) if (!names.has(name)) throw new UsageError(`tie '${name}': no such layer in the row table`);
}
