import type { RoundingSettings } from '../curvature/candidates.ts';
import type { Dataset } from '../data/dataset.ts';
import { UsageError } from '../errors.ts';
import { readModel } from '../onnx/index.ts';
import type { Model } from '../onnx/model.ts';
import { cancellable } from '../progress.ts';
import type { SweepPoint, SweepReport } from '../report/types.ts';
import { VERSION } from '../version.ts';
import type { Tensor } from '../tensor.ts';
import type { Wasm } from '../wasm/wasm.ts';
import { evaluateModels } from './evaluate.ts';
import { analyzerFor, type MeasuringOptions } from './options.ts';
import { type Allocation, Search, type SearchOptions } from './search.ts';

/** What `sweep` may be told. */
export interface SweepOptions extends MeasuringOptions, SearchOptions {
  readonly calibration: Dataset;
  /** Held-out data every written file is run on. */
  readonly evaluation: Dataset;
  /** Budgets in average bits a weight, scales counted; brought into the range the widths allow. */
  readonly bits: readonly number[];
  /** Most held-out samples. */
  readonly evaluationSamples?: number | undefined;
}

/** One scale a tensor, the largest weight at the end of the range, nearest code: uniform as the seed document has it. */
const DOCUMENT_ROUNDING: RoundingSettings = {
  granularity: 'tensor',
  clip: 'max',
  scaleType: 'float',
  asymmetricBits: [],
  rounding: 'nearest',
};

/**
 * The accuracy/size frontier in one run: at every budget the guided plan, uniform widths rounded the same way, and uniform
 * widths as the seed document rounds them, all at the same bytes; each written, and run on the held-out data. The cost table
 * is measured once.
 * @throws UsageError where no budget is given
 */
export async function sweep(wasm: Wasm, bytes: Uint8Array, options: SweepOptions): Promise<SweepReport> {
  const start = Date.now();
  const name = options.name ?? 'model';
  if (options.bits.length === 0) throw new UsageError('--bits: expected at least one budget');
  const progress = cancellable(options);
  const model = readModel(bytes, name, { external: options.external });
  const analyzer = await analyzerFor(model, wasm, options);
  const document = await analyzerFor(model, wasm, options, { metric: 'spectral', rounding: DOCUMENT_ROUNDING });
  try {
    await analyzer.calibrate(options.calibration);
    await analyzer.computeCurvature();
    await document.computeCurvature();
    const guided = new Search(analyzer, wasm, options);
    const plain = new Search(document, wasm, { pins: options.pins, exclude: options.exclude, ties: options.ties });
    const { minAverageBits, maxAverageBits } = guided.optimizer.limits;
    const points: SweepPoint[] = [];
    const known = new Map<number, Tensor>();
    let unit: SweepReport['unit'] = 'kl';
    const evaluate = async (allocation: Allocation, kind: SweepPoint['kind'], budget: number): Promise<SweepPoint> => {
      const found = await measure(wasm, model, allocation, kind, budget, { ...options, progress }, known);
      unit = found.unit;
      return found.point;
    };
    for (const [i, bits] of options.bits.entries()) {
      progress('sweeping', i, options.bits.length);
      const averageBits = Math.max(minAverageBits, Math.min(bits, maxAverageBits));
      points.push(await evaluate(await guided.within({ averageBits }), 'guided', bits));
      points.push(await evaluate(await guided.given(guided.optimizer.uniform({ averageBits })), 'uniform', bits));
      const limits = plain.optimizer.limits;
      const same = plain.optimizer.uniform({
        averageBits: Math.max(limits.minAverageBits, Math.min(averageBits, limits.maxAverageBits)),
      });
      points.push(await evaluate(await plain.given(same), 'uniform, per tensor', bits));
    }
    const float = await evaluateModels(wasm, model, null, options.evaluation, {
      ...options,
      samples: options.evaluationSamples,
      progress,
    });
    return {
      kappa: VERSION,
      model: { name, bytes: bytes.length, quantizable: analyzer.quantizable, layers: analyzer.layers.length },
      calibration: analyzer.calibrated ?? null,
      samples: float.samples,
      unit,
      accuracy: float.accuracy,
      crossEntropy: float.crossEntropy,
      points,
      seconds: (Date.now() - start) / 1000,
    };
  } finally {
    analyzer.dispose();
    document.dispose();
  }
}

async function measure(
  wasm: Wasm,
  reference: Model,
  { plan, bytes }: Allocation,
  kind: SweepPoint['kind'],
  budget: number,
  options: SweepOptions,
  known: Map<number, Tensor>,
): Promise<{ point: SweepPoint; unit: SweepReport['unit'] }> {
  const { evaluation, evaluationSamples: samples, loss, batch, progress } = options;
  const found = await evaluateModels(wasm, readModel(bytes, kind), reference, evaluation, {
    loss,
    batch,
    samples,
    progress,
    known,
  });
  const { kl, klError, relativeSquaredError, squaredErrorInterval, flips } = found.reference!;
  const point = {
    kind,
    budget,
    averageBits: plan.averageBits,
    bytes: bytes.length,
    bits: plan.layers.map((l) => l.bits),
    accuracy: found.accuracy,
    crossEntropy: found.crossEntropy,
    damage: kl ?? relativeSquaredError,
    damageError: kl === null ? squaredErrorInterval : klError,
    flips,
  };
  return { point, unit: kl === null ? 'nse' : 'kl' };
}
