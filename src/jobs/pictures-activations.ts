import type { CurvatureQuantizationAnalyzer } from '../analyzer.ts';
import { type Cells, histogramsOf } from '../calibrate/histogram.ts';
import { limitsOf } from '../quantize/activations/write.ts';
import type { ActivationPicture, ActivationPictures, HistogramPicture } from '../report/pictures.ts';
import type { ActivationReport } from '../report/types.ts';
import { sizeOf } from '../tensor.ts';
import type { Wasm } from '../wasm/wasm.ts';

/** Most values that are counted, most samples, and about how many elements altogether: a second or so. */
const VALUES = 512;
const SAMPLES = 256;
const ELEMENTS = 4e7;
/** Most intervals of a histogram. */
const INTERVALS = 64;

/**
 * What the inputs of layers, and the values that are rounded to integers, look like on the first calibration samples of the original
 * model; null without data. Of a great many values those of the most sensitive layers.
 * @param damageOf damage of a layer alone at one width, by weight name
 */
export async function activationPictures(
  wasm: Wasm,
  analyzer: CurvatureQuantizationAnalyzer,
  damageOf: (weight: string) => number,
  rounded?: ActivationReport,
): Promise<ActivationPictures | null> {
  if (!analyzer.measuring) return null;
  const { dataset, batch, calibration } = analyzer.measuring.data;
  const readers = new Map<string, { layers: string[]; damage: number }>();
  for (const layer of analyzer.layers) {
    const own = readers.get(layer.input) ?? { layers: [], damage: 0 };
    readers.set(layer.input, own);
    own.layers.push(layer.name);
    own.damage = Math.max(own.damage, damageOf(layer.weight));
  }
  const grids = new Map((rounded?.values ?? []).filter((v) => v.bits !== 32).map((v) => [v.value, v]));
  for (const value of grids.keys()) if (!readers.has(value)) readers.set(value, { layers: [], damage: 0 });
  // What is no float has no statistics.
  const known = [...readers].filter(([value]) => calibration.values.has(value));
  const ranked = [...known].sort((a, b) => b[1].damage - a[1].damage).slice(0, VALUES);
  const kept = known.filter((entry) => ranked.includes(entry));
  if (kept.length === 0) return null;
  const elements = kept.reduce((n, [value]) => n + sizeOf(calibration.shapes.get(value) ?? []), 0);
  // Whole batches: a model may take no others.
  const batches = Math.floor(Math.min(SAMPLES, ELEMENTS / Math.max(1, elements)) / batch);
  const samples = Math.min(calibration.samples, batch * Math.max(1, batches));
  const cells = await histogramsOf(wasm, analyzer.session, new Map(kept.map(([value], i) => [value, i])), dataset, {
    batch,
    samples,
    progress: (done, total) => analyzer.progress('histograms of activations', done, total),
  });
  const values = kept.flatMap(([value, { layers }], i): ActivationPicture[] => {
    const own = cells[i]!;
    const count = own.counts.reduce((n, c) => n + c, own.zeros);
    if (count === 0) return [];
    const found = grids.get(value);
    const grid = found ? gridOf(found) : null;
    return [
      {
        value,
        layers,
        histogram: histogramIn(own),
        zeros: own.zeros / count,
        min: own.min,
        max: own.max,
        grid,
        clipped: grid && beyond(own, grid) / count,
      },
    ];
  });
  return { samples, left: known.length - kept.length, values };
}

function gridOf({ scale, zero, type }: ActivationReport['values'][number]): NonNullable<ActivationPicture['grid']> {
  const [low, high] = limitsOf(type);
  return { scale, zero, low, high };
}

/** Neighbouring cells together, so that no more than INTERVALS reach from the least element to the largest; 0 is not counted. */
export function histogramIn({ counts, first, width, min, max }: Cells): HistogramPicture | null {
  if (!(max > min) || counts.every((n) => n === 0)) return null;
  const start = Math.max(0, Math.floor(min / width) - first);
  const end = Math.min(counts.length - 1, Math.floor(max / width) - first);
  const each = Math.ceil((end - start + 1) / INTERVALS);
  const merged = new Array<number>(Math.ceil((end - start + 1) / each)).fill(0);
  for (let i = start; i <= end; i++) merged[Math.floor((i - start) / each)]! += counts[i]!;
  const from = (first + start) * width;
  return { from, to: from + merged.length * each * width, counts: merged };
}

/** Elements more than half a step beyond the ends of a grid, to a cell. */
function beyond(
  { counts, first, width }: Cells,
  { scale, zero, low, high }: NonNullable<ActivationPicture['grid']>,
): number {
  const [from, to] = [(low - zero - 0.5) * scale, (high - zero + 0.5) * scale];
  let sum = 0;
  for (let i = 0; i < counts.length; i++) {
    const middle = (first + i + 0.5) * width;
    if (counts[i]! > 0 && (middle < from || middle > to)) sum += counts[i]!;
  }
  return sum;
}
