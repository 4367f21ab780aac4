import type { Granularity } from '../allocate/types.ts';
import type { Calibration } from '../calibrate/calibrate.ts';
import type { Layer } from '../graph/layers.ts';
import { fakeQuantize, fitGrid, type Grid, type GridSpec } from '../grid/grid.ts';
import { fromRows, toRows } from '../grid/rows.ts';
import type { Tensor } from '../tensor.ts';
import type { Wasm } from '../wasm/wasm.ts';

/** How weights are rounded, for every width alike; what the cost table prices and what the quantizer later writes. */
export interface RoundingSettings {
  readonly granularity: Granularity;
  readonly clip: GridSpec['clip'];
  readonly scaleType: GridSpec['scaleType'];
  /** Widths at which the grid is asymmetric; every other is symmetric. */
  readonly asymmetricBits: readonly number[];
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

/** Bytes of codes, scales and zero points of a [rows, cols] weight as the output format writes them. */
export type Price = (rows: number, cols: number, spec: GridSpec) => number;

/** Every layer at every width as it would be written. Grids are fitted once; the values are made anew at each call. */
export class Candidates {
  private readonly rows = new Map<string, Float32Array>();
  private readonly grids = new Map<string, Grid>();

  /** @param weights weight initializer name to its elements, in the weight's own shape */
  constructor(
    private readonly wasm: Wasm,
    private readonly weights: (layer: Layer) => Float32Array,
    readonly settings: RoundingSettings,
    private readonly price: Price,
    private readonly calibration?: Calibration,
  ) {}

  /** The layer's weight in row form: [layer.rows, layer.cols]. */
  float(layer: Layer): Float32Array {
    let rows = this.rows.get(layer.weight);
    if (!rows) {
      rows = toRows(this.wasm, this.weights(layer), layer.dims, layer.rowAxis);
      this.rows.set(layer.weight, rows);
    }
    return rows;
  }

  grid(layer: Layer, bits: number): Grid {
    const key = `${bits} ${layer.weight}`;
    let grid = this.grids.get(key);
    if (!grid) {
      const gram = this.calibration?.layers.get(layer.weight)?.gram;
      const spec = specFor(this.settings, bits);
      const clip = spec.clip === 'gram' && !gram ? 'mse' : spec.clip;
      grid = fitGrid(this.wasm, this.float(layer), layer.rows, layer.cols, { ...spec, clip }, gram, layer.groups);
      this.grids.set(key, grid);
    }
    return grid;
  }

  /** Row form of the quantized weight. */
  values(layer: Layer, bits: number): Float32Array {
    return fakeQuantize(this.wasm, this.float(layer), this.grid(layer, bits));
  }

  /** The quantized weight in its own shape, to put in the place of the initializer. */
  tensor(layer: Layer, bits: number): Tensor {
    return this.shaped(layer, this.values(layer, bits));
  }

  /** A weight in row form brought to the layer's own shape. */
  shaped(layer: Layer, rows: Float32Array): Tensor {
    return { dtype: 'float', dims: layer.dims, data: fromRows(this.wasm, rows, layer.dims, layer.rowAxis) };
  }

  bytes(layer: Layer, bits: number): number {
    return this.price(layer.rows, layer.cols, specFor(this.settings, bits));
  }
}
