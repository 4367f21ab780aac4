import type { BitWidthOptimizer } from '../allocate/optimizer.ts';
import type { CostTable } from '../allocate/types.ts';
import type { CurvatureQuantizationAnalyzer } from '../analyzer.ts';
import type { Coded, Slice } from '../grid/coded.ts';
import type { LayerSpectrum } from '../curvature/spectra.ts';
import type { QuantizedModel } from '../quantize/quantizer.ts';
import type { LayerPicture, PredictedPoint, QuantizePictures } from '../report/pictures.ts';

/** Intervals of a histogram, points of a frontier, and the most singular values that are kept. */
const INTERVALS = 64;
const POINTS = 33;
const SINGULAR = 128;
/** Levels past which a grid is not drawn. */
const MOST_LEVELS = 256;

/** What the report draws of a quantized model. Every singular value of every layer is computed where that is quick. */
export async function quantizePictures(
  analyzer: CurvatureQuantizationAnalyzer,
  optimizer: BitWidthOptimizer,
  table: CostTable,
  quantized: QuantizedModel,
): Promise<QuantizePictures> {
  const spectra = await analyzer.computeSpectra();
  const layers = quantized.layers.map(({ name, weight, coded }): LayerPicture => {
    const layer = analyzer.layers.find((l) => l.weight === weight)!;
    const choices = table.layers.find((l) => l.weight === weight)?.choices ?? [];
    return {
      name,
      weight,
      histogram: histogramOf(analyzer.candidates.float(layer)),
      levels: levelsOf(coded),
      singular: singularOf(spectra.get(weight)!),
      damages: choices.flatMap(({ bits, damage, measured }) => (bits === 32 ? [] : [{ bits, damage, measured }])),
    };
  });
  return { layers, frontier: frontierOf(optimizer) };
}

/** Counts of the values in equal intervals between the least and the largest; null where these are the same. */
export function histogramOf(values: Float32Array, intervals = INTERVALS): LayerPicture['histogram'] {
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

/** The values that the row with the median scale can take, of the rows with the most bits. */
function levelsOf(coded: Coded | undefined): readonly number[] {
  const widest = coded?.reduce((a: Slice, b) => (b.grid.bits > a.grid.bits ? b : a));
  if (!widest || widest.grid.bits === 0) return [];
  const { bits, scales, zeros } = widest.grid;
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
