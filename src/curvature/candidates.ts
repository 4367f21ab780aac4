import type { Granularity } from '../allocate/types.ts';
import type { Calibration } from '../calibrate/calibrate.ts';
import type { Layer } from '../graph/layers.ts';
import { type Coded, decode, pickRows, rowsLeftOut, type Slice } from '../grid/coded.ts';
import { blockOf, type GridSpec } from '../grid/grid.ts';
import { encode } from '../grid/rounding/encode.ts';
import { weightOfRows, weightRows } from '../grid/weight.ts';
import type { Initializer } from '../onnx/model.ts';
import type { Tensor } from '../tensor.ts';
import type { Wasm } from '../wasm/wasm.ts';

/** How weights are rounded, for every width alike; what the cost table prices and what the quantizer later writes. */
export interface RoundingSettings {
  readonly granularity: Granularity;
  readonly clip: GridSpec['clip'];
  readonly scaleType: GridSpec['scaleType'];
  /** Widths at which the grid is asymmetric; every other is symmetric. */
  readonly asymmetricBits: readonly number[];
  /** How codes are chosen: a name in ROUNDINGS (grid/rounding). */
  readonly rounding: string;
}

/** The grid of a layer at a width under these settings. A layer whose channels are no longer than a block keeps one scale a channel. */
export function specFor(settings: RoundingSettings, bits: number): GridSpec {
  return {
    bits,
    granularity: settings.granularity,
    symmetric: !settings.asymmetricBits.includes(bits),
    clip: settings.clip,
    scaleType: settings.scaleType,
  };
}

/** Bytes of codes, scales and zero points of a layer as its output format writes them. */
export type Price = (layer: Layer, spec: GridSpec) => number;

/** One width for all rows of a layer, or one for each row, 0 for rows that are left out. */
export type Width = number | readonly number[];

/** Bytes of codes and scales kept, and of weights in row form; beyond it those not asked for the longest are made anew when needed. */
const KEPT = 256 * 2 ** 20;
/** The same where nothing is measured: each layer is then coded once or twice in all. */
const KEPT_UNMEASURED = 8 * 2 ** 20;

/** Every layer at every width as it would be written. Codes are made once, as far as they can be kept; values at each call. */
export class Candidates {
  /** Of both, the one asked for last comes last. */
  private readonly rows = new Map<string, Float32Array>();
  private floats = 0;
  private readonly made = new Map<string, Coded>();
  private kept = 0;
  private readonly most: number;

  /**
   * @param weights the layer's weight as stored
   * @param biases of layers that have one of their own (`biasesOf`), by weight name
   */
  constructor(
    private readonly wasm: Wasm,
    private readonly weights: (layer: Layer) => Tensor,
    readonly settings: RoundingSettings,
    private readonly price: Price,
    private readonly calibration?: Calibration,
    private readonly biases: ReadonlyMap<string, Initializer> = new Map(),
  ) {
    this.most = calibration ? KEPT : KEPT_UNMEASURED;
  }

  /** The layer's weight in row form: [layer.rows, layer.cols]. */
  float(layer: Layer): Float32Array {
    const before = this.rows.get(layer.weight);
    const rows = before ?? weightRows(this.wasm, layer, this.weights(layer));
    this.rows.delete(layer.weight);
    this.rows.set(layer.weight, rows);
    if (!before) this.floats += rows.byteLength;
    for (const [oldest, floats] of this.rows) {
      if (this.floats <= this.most || oldest === layer.weight) break;
      this.rows.delete(oldest);
      this.floats -= floats.byteLength;
    }
    return rows;
  }

  /** The layer in codes. */
  coded(layer: Layer, width: Width): Coded {
    const key = `${width} ${layer.weight}`;
    const before = this.made.get(key);
    if (before) this.made.delete(key);
    const coded = before ?? this.encode(layer, width);
    this.made.set(key, coded);
    if (!before) this.kept += bytesOf(coded);
    for (const [oldest, codes] of this.made) {
      if (this.kept <= this.most || oldest === key) break;
      this.made.delete(oldest);
      this.kept -= bytesOf(codes);
    }
    return coded;
  }

  /** Codes of whole layers that are kept, one width each. */
  whole(): { weight: string; bits: number; slice: Slice }[] {
    return [...this.made].flatMap(([key, coded]) => {
      const at = key.indexOf(' ');
      const [slice] = coded;
      const one = slice && slice.rows === undefined && !key.slice(0, at).includes(',');
      return one ? [{ weight: key.slice(at + 1), bits: slice.grid.bits, slice }] : [];
    });
  }

  /** Takes codes of a whole layer that `whole` gave once; such as these settings do not make are left aside. */
  take(layer: Layer, bits: number, slice: Slice): void {
    const { granularity, scaleType, symmetric } = specFor(this.settings, bits);
    const { grid } = slice;
    const block = blockOf(layer.rows, layer.cols, granularity);
    const own = grid.bits === bits && grid.block === block && grid.symmetric === symmetric;
    const shape = grid.rows === layer.rows && grid.cols === layer.cols && slice.rows === undefined;
    const bytes = bytesOf([slice]);
    const key = `${bits} ${layer.weight}`;
    if (!own || !shape || grid.scaleType !== scaleType || this.made.has(key) || this.kept + bytes > this.most) return;
    this.made.set(key, [slice]);
    this.kept += bytes;
  }

  /** Row form of the quantized weight. */
  values(layer: Layer, width: Width): Float32Array {
    return decode(this.wasm, this.coded(layer, width));
  }

  /** The quantized weight in its own shape and type, to put in the place of the initializer. */
  tensor(layer: Layer, width: Width): Tensor {
    return this.shaped(layer, this.values(layer, width));
  }

  /** A weight in row form brought to the layer's own shape and type. */
  shaped(layer: Layer, rows: Float32Array): Tensor {
    return weightOfRows(this.wasm, layer, rows);
  }

  /** Whether rows of the layer may be left out: what they give on the mean of their inputs has a bias to go to. */
  omits(layer: Layer): boolean {
    return this.biases.has(layer.weight) && this.calibration?.layers.get(layer.weight)?.mean !== undefined;
  }

  /** What the rows of a layer give on the mean of their inputs: w E[x]. @throws RangeError where that is not known */
  means(layer: Layer): Float64Array {
    const mean = this.calibration?.layers.get(layer.weight)?.mean;
    if (!mean) throw new RangeError(`weight '${layer.weight}': the mean of its inputs is not known`);
    const { rows, cols, groups } = layer;
    const w = this.float(layer);
    return Float64Array.from({ length: rows }, (_, r) => {
      const from = Math.floor((r * groups) / rows) * cols;
      let sum = 0;
      for (let c = 0; c < cols; c++) sum += w[r * cols + c]! * mean[from + c]!;
      return sum;
    });
  }

  /**
   * The bias with which rows that are left out give what they gave on average, to put in the place of the initializer; undefined
   * where that stays as it is.
   */
  bias(layer: Layer, width: Width): { readonly name: string; readonly tensor: Tensor } | undefined {
    const bias = this.biases.get(layer.weight);
    if (typeof width === 'number' || !width.includes(0) || !bias || !this.omits(layer)) return undefined;
    const means = this.means(layer);
    const { dims, data } = bias.tensor();
    const moved = (data as Float32Array).map((b, r) => (width[r] === 0 ? b + means[r]! : b));
    return { name: bias.name, tensor: { dtype: 'float', dims, data: moved } };
  }

  bytes(layer: Layer, bits: number): number {
    return this.price(layer, specFor(this.settings, bits));
  }

  private encode(layer: Layer, width: Width): Coded {
    const { wasm, settings } = this;
    const picked = typeof width === 'number' ? undefined : this.picked(layer, width);
    if (picked) return picked;
    const gram = this.calibration?.layers.get(layer.weight)?.gram;
    const spec = (bits: number) => specFor(settings, bits);
    const under = gram && { gram, groups: layer.groups };
    return encode(wasm, this.float(layer), layer.rows, layer.cols, width, spec, settings.rounding, under);
  }

  /** Rows of the layer at whole widths, where these are all at hand: rows are coded each by itself. */
  private picked(layer: Layer, widths: readonly number[]): Coded | undefined {
    const used = [...new Set(widths)].sort((a, b) => a - b);
    const stored = used.filter((bits) => bits > 0);
    const whole = new Map(stored.map((bits) => [bits, this.made.get(`${bits} ${layer.weight}`)?.[0]]));
    for (const slice of whole.values()) if (slice === undefined || slice.grid.block > layer.cols) return undefined;
    if (used.length === 1) return [whole.get(used[0]!)!];
    const { grid } = whole.get(stored[0]!)!;
    return used.map((bits) => {
      const rows = widths.flatMap((b, r) => (b === bits ? [r] : []));
      return bits === 0 ? rowsLeftOut(rows, grid) : pickRows(whole.get(bits)!, rows);
    });
  }
}

function bytesOf(coded: Coded): number {
  return coded.reduce((n, { grid, codes }) => n + codes.byteLength + grid.scales.byteLength, 0);
}
