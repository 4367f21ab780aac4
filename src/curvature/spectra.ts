import type { Layer } from '../graph/layers.ts';
import type { Attribute } from '../onnx/model.ts';
import { asFloatArray, type Floats } from '../wasm/matrix.ts';
import { sigmaMax } from '../wasm/sigma-max.ts';
import { singularValues } from '../wasm/svd.ts';
import type { Wasm } from '../wasm/wasm.ts';
import {
  type ConvolutionShape,
  convolutionLowerEstimate,
  convolutionUpperBound,
  type PowerOptions,
} from './convolution.ts';

export { type ConvolutionShape, convolutionLowerEstimate, convolutionUpperBound } from './convolution.ts';

/** What spectra need of a layer. */
export type SpectrumLayer = Pick<Layer, 'opType' | 'dims' | 'rows' | 'cols' | 'groups'> & {
  readonly nodes: readonly { readonly attributes: ReadonlyMap<string, Attribute> }[];
};

/** Multiplications of one sweep past which the singular values are not all computed unasked: that of a square matrix of 2048. */
const MOST_WORK = 2 ** 33;

/**
 * The spectrum of a layer's weight. `sigmaMax` is its curvature in the seed document's sense: with the weight error measured
 * relative to the operator, the layer is bilinear and its curvature on the product unit ball is its norm (docs/theory.md).
 */
export class LayerSpectrum {
  private values: Float64Array | undefined;

  constructor(
    private readonly wasm: Wasm,
    private readonly layer: SpectrumLayer,
    private readonly rows: () => Floats,
    /** Norm of the layer's operator: exact (to 1e-11 relative), or a proved upper bound for a convolution. */
    readonly sigmaMax: number,
    readonly exact: boolean,
    /** How it was found. */
    readonly by: string,
    /** The condition number, where it was computed before. */
    private conditioned?: number,
  ) {}

  /** What can be kept of it: the condition number where it was asked for. */
  get known(): { sigmaMax: number; exact: boolean; by: string; condition: number | undefined } {
    return { sigmaMax: this.sigmaMax, exact: this.exact, by: this.by, condition: this.conditioned };
  }

  /**
   * All singular values of the row form, descending; of grouped convolutions those of all groups. Computed when first asked
   * for. For a convolution they are those of the reshaped kernel, which bound its norm only together with the kernel's size.
   */
  get sigma(): Float64Array {
    this.values ??= valuesOf(this.wasm, this.layer, this.rows());
    return this.values;
  }

  /**
   * sigma_max / sigma_min of the row form, Infinity where sigma_min is 0; NaN for a matrix whose every singular value would take
   * minutes. A condition number, never a curvature.
   */
  get condition(): number {
    this.conditioned ??= this.conditionOf();
    return this.conditioned;
  }

  private conditionOf(): number {
    const { rows, cols, groups } = this.layer;
    const short = Math.min(rows / groups, cols);
    if (rows * cols * short > MOST_WORK) return Number.NaN;
    const { sigma } = this;
    const last = sigma[sigma.length - 1] ?? 0;
    return last > 0 ? sigma[0]! / last : Number.POSITIVE_INFINITY;
  }

  /** Measured: a lower estimate of the norm of a convolution by power iteration; the norm itself for other layers. */
  lowerEstimate(options: PowerOptions = {}): number {
    const shapes = convolutionShapes(this.layer);
    if (shapes.length === 0) return this.sigmaMax;
    const kernel = asFloatArray(kernelOf(this.layer, this.rows()));
    return Math.max(...shapes.map((shape) => convolutionLowerEstimate(kernel, shape, options)));
  }
}

/**
 * @param read gives the weight in row form, [layer.rows, layer.cols], as floats or as their bytes; it is not kept
 * @throws RangeError where the row form has another size, or holds NaN or infinity
 */
export function layerSpectrum(wasm: Wasm, layer: SpectrumLayer, read: () => Floats): LayerSpectrum {
  const rows = read();
  if (rows.byteLength !== 4 * layer.rows * layer.cols)
    throw new RangeError(`row form: expected ${layer.rows} x ${layer.cols} weights, got ${rows.byteLength / 4}`);
  if (layer.opType === 'Gather')
    return new LayerSpectrum(
      wasm,
      layer,
      read,
      largestRow(asFloatArray(rows), layer.rows, layer.cols),
      true,
      'largest row of the table',
    );
  const shapes = convolutionShapes(layer);
  if (shapes.length === 0) {
    const norm = sigmaMax(wasm, rows, layer.rows, layer.cols);
    return new LayerSpectrum(wasm, layer, read, norm, true, 'largest singular value');
  }
  const kernel = kernelOf(layer, rows);
  const bounds = shapes.map((shape) => convolutionUpperBound(wasm, kernel, shape));
  const worst = bounds.reduce((a, b) => (b.value > a.value ? b : a));
  return new LayerSpectrum(wasm, layer, read, worst.value, false, worst.by);
}

/** Norm of the lookup of one row: the map from one-hot vectors. */
function largestRow(rows: Float32Array, m: number, n: number): number {
  let most = 0;
  for (let r = 0; r < m; r++) {
    let sum = 0;
    for (let c = 0; c < n; c++) sum += rows[r * n + c]! * rows[r * n + c]!;
    if (!(sum < Number.POSITIVE_INFINITY)) throw new RangeError(`row ${r} of the table: expected finite weights`);
    most = Math.max(most, sum);
  }
  return Math.sqrt(most);
}

function valuesOf(wasm: Wasm, layer: SpectrumLayer, rows: Floats): Float64Array {
  const { groups } = layer;
  if (convolutionShapes(layer).length === 0 || groups === 1) return singularValues(wasm, rows, layer.rows, layer.cols);
  const kernel = kernelOf(layer, rows);
  const m = layer.dims[0]! / groups;
  const size = kernel.byteLength / groups;
  const n = size / (4 * m);
  const all: number[] = [];
  for (let g = 0; g < groups; g++) all.push(...singularValues(wasm, part(kernel, g * size, size), m, n));
  return Float64Array.from(all).sort().reverse();
}

/** A stretch of floats, in bytes. */
function part(floats: Floats, from: number, bytes: number): Floats {
  if (floats instanceof Uint8Array) return floats.subarray(from, from + bytes);
  return floats.subarray(from / 4, (from + bytes) / 4);
}

/** One shape a node that uses the weight with other strides or dilations; none for layers that are no convolutions. */
function convolutionShapes(layer: SpectrumLayer): ConvolutionShape[] {
  if (layer.opType !== 'Conv' && layer.opType !== 'ConvTranspose') return [];
  const shapes = new Map<string, ConvolutionShape>();
  for (const { attributes } of layer.nodes) {
    const strides = ints(attributes.get('strides'));
    const dilations = ints(attributes.get('dilations'));
    shapes.set(`${strides} ${dilations}`, { dims: layer.dims, groups: layer.groups, strides, dilations });
  }
  return shapes.size > 0 ? [...shapes.values()] : [{ dims: layer.dims, groups: layer.groups }];
}

function ints(attribute: Attribute | undefined): readonly number[] | undefined {
  return attribute?.type === 'ints' ? attribute.value : undefined;
}

/** The weight as it is stored: for ConvTranspose the row form has the second axis first. */
function kernelOf(layer: SpectrumLayer, given: Floats): Floats {
  if (layer.opType === 'Conv') return given;
  const rows = asFloatArray(given);
  const { groups } = layer;
  const [channels, outputs] = [layer.dims[0]! / groups, layer.dims[1]!];
  const taps = layer.dims.slice(2).reduce((n, k) => n * k, 1);
  const kernel = new Float32Array(rows.length);
  for (let m = 0; m < groups * outputs; m++) {
    const first = Math.floor(m / outputs) * channels;
    for (let c = 0; c < channels; c++) {
      const [to, from] = [((first + c) * outputs + (m % outputs)) * taps, (m * channels + c) * taps];
      for (let t = 0; t < taps; t++) kernel[to + t] = rows[from + t]!;
    }
  }
  return kernel;
}
