import type { BitWidthOptimizer } from '../allocate/optimizer.ts';
import type { CostTable } from '../allocate/types.ts';
import type { CurvatureQuantizationAnalyzer } from '../analyzer.ts';
import type { Coded, Slice } from '../grid/coded.ts';
import type { LayerSpectrum } from '../curvature/spectra.ts';
import type { QuantizedModel } from '../quantize/quantizer.ts';
import type { HistogramPicture, LayerPicture, PredictedPoint, QuantizePictures } from '../report/pictures.ts';
import type { ActivationReport } from '../report/types.ts';
import type { Wasm } from '../wasm/wasm.ts';
import { activationPictures } from './pictures-activations.ts';

/** Intervals of a histogram, points of a frontier, and the most singular values that are kept. */
const INTERVALS = 64;
const POINTS = 33;
const SINGULAR = 128;
/** Levels past which a grid is not drawn. */
const MOST_LEVELS = 256;

/**
 * What the report draws of a quantized model. Every singular value of every layer is computed where that is quick, and activations are
 * counted on a few samples.
 * @param rounded how activations are rounded, where they are
 */
export async function quantizePictures(
  wasm: Wasm,
  analyzer: CurvatureQuantizationAnalyzer,
  optimizer: BitWidthOptimizer,
  table: CostTable,
  quantized: QuantizedModel,
  rounded?: ActivationReport,
): Promise<QuantizePictures> {
  const spectra = await analyzer.computeSpectra();
  const layers = quantized.layers.map(({ name, weight, bits, rowBits, grid, coded }): LayerPicture => {
    const layer = analyzer.layers.find((l) => l.weight === weight)!;
    const choices = table.layers.find((l) => l.weight === weight)?.choices ?? [];
    const weights = analyzer.candidates.float(layer);
    const known = grid?.granularity === analyzer.rounding.granularity && analyzer.widths.includes(bits);
    return {
      name,
      weight,
      histogram: histogramOf(weights),
      // Codes that were not kept are made anew, where they are the analyzer's own.
      ...gridOf(coded ?? (known ? analyzer.candidates.coded(layer, rowBits ?? bits) : undefined), weights),
      singular: singularOf(spectra.get(weight)!),
      damages: choices.flatMap(({ bits, damage, measured }) => (bits === 32 ? [] : [{ bits, damage, measured }])),
    };
  });
  const damageOf = (weight: string) => layers.find((l) => l.weight === weight)?.damages[0]?.damage ?? 0;
  const activations = await activationPictures(wasm, analyzer, damageOf, rounded);
  return { layers, frontier: frontierOf(optimizer), activations };
}

/** Counts of the values in equal intervals between the least and the largest; null where these are the same. */
export function histogramOf(values: Float32Array, intervals = INTERVALS): HistogramPicture | null {
  let from = Number.POSITIVE_INFINITY;
  let to = Number.NEGATIVE_INFINITY;
  for (const v of values) {
    if (v < from) from = v;
    if (v > to) to = v;
  }
  if (!(to > from)) return null;
  const counts = new Array<number>(intervals).fill(0);
  for (const v of values) counts[Math.min(intervals - 1, Math.floor(((v - from) / (to - from)) * intervals))]!++;
  return { from, to, counts };
}

function gridOf(
  coded: Coded | undefined,
  weights: Float32Array,
): Pick<LayerPicture, 'levels' | 'levelBits' | 'levelShare' | 'clipped'> {
  const slices = coded?.filter((s) => s.grid.bits > 0) ?? [];
  if (!coded || slices.length === 0) return { levels: [], levelBits: null, levelShare: null, clipped: null };
  const most = slices.reduce((a, b) => (b.grid.rows > a.grid.rows ? b : a));
  const rows = coded.reduce((n, s) => n + s.grid.rows, 0);
  return {
    levels: levelsOf(most),
    levelBits: most.grid.bits,
    levelShare: most.grid.rows / rows,
    clipped: clippedShare(slices, weights),
  };
}

/** Share of the weights, in row form, that lie more than half a step beyond the ends of their own row's grid. */
function clippedShare(slices: Coded, weights: Float32Array): number {
  let count = 0;
  let clipped = 0;
  for (const { rows: own, grid } of slices) {
    const { bits, rows, cols, block, scales, zeros } = grid;
    const blocks = scales.length === 1 ? 0 : Math.ceil(cols / block);
    for (let r = 0; r < rows; r++) {
      const start = (own?.[r] ?? r) * cols;
      for (let c = 0; c < cols; c++) {
        const at = blocks === 0 ? 0 : r * blocks + Math.floor(c / block);
        const code = weights[start + c]! / scales[at]! + (zeros ? zeros[at]! : 2 ** (bits - 1));
        if (code < -0.5 || code > 2 ** bits - 0.5) clipped++;
      }
    }
    count += rows * cols;
  }
  return clipped / count;
}

/** The values that the row with the median scale can take. */
function levelsOf({ grid: { bits, scales, zeros } }: Slice): readonly number[] {
  const count = 2 ** bits;
  if (count > MOST_LEVELS) return [];
  const order = Array.from(scales, (_, i) => i).sort((a, b) => scales[a]! - scales[b]! || a - b);
  const at = order[order.length >> 1]!;
  const zero = zeros ? zeros[at]! : count / 2;
  return Array.from({ length: count }, (_, c) => (c - zero) * scales[at]!);
}

function singularOf(spectrum: LayerSpectrum): readonly number[] | null {
  // The condition number is NaN just where all singular values would take minutes.
  if (Number.isNaN(spectrum.condition)) return null;
  const { sigma } = spectrum;
  const count = Math.min(sigma.length, SINGULAR);
  return Array.from({ length: count }, (_, i) => sigma[Math.round((i * (sigma.length - 1)) / Math.max(1, count - 1))]!);
}

/** What the cost table predicts from the smallest plan to the largest, chosen and uniform. */
function frontierOf(optimizer: BitWidthOptimizer): QuantizePictures['frontier'] {
  const point = ({ averageBits, predicted }: PredictedPoint): PredictedPoint => ({ averageBits, predicted });
  const guided = optimizer.frontier(POINTS).map(point);
  const uniform = guided.flatMap(({ averageBits }) => {
    try {
      return [point(optimizer.uniform({ averageBits }))];
    } catch {
      // No width fits all layers at this size.
      return [];
    }
  });
  return { guided, uniform };
}
