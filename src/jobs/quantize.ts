import type { CostTable, Plan } from '../allocate/types.ts';
import type { Synthetic } from '../calibrate/synthetic.ts';
import { checkDataset } from '../data/check.ts';
import type { Dataset } from '../data/dataset.ts';
import { readFacts, writeFacts } from '../analyzer/facts-file.ts';
import { DataError, UsageError } from '../errors.ts';
import { dataOf, externalBytes, type ModelFiles, readModel } from '../onnx/index.ts';
import type { Model } from '../onnx/model.ts';
import { cancellable } from '../progress.ts';
import type { CurvatureQuantizationAnalyzer } from '../analyzer.ts';
import type { EvaluationReport, QuantizeReport } from '../report/types.ts';
import type { Tensor } from '../tensor.ts';
import type { Wasm } from '../wasm/wasm.ts';
import {
  type ActivationOptions,
  activationsIn,
  checkActivations,
  integerRounding,
  withActivations,
  withinBytes,
} from './activations.ts';
import { drawnDataset } from './drawn.ts';
import type { QuantizePictures } from '../report/pictures.ts';
import { evaluateModels } from './evaluate.ts';
import { analyzerFor, checkLayers, type MeasuringOptions } from './options.ts';
import { quantizePictures } from './pictures.ts';
import { ranksOf } from './ranks.ts';
import { type Allocation, pinsOf, Search, type SearchOptions } from './search.ts';
import { quantizeReport } from './summary.ts';
import { dropOf, type MaxDrop, smallestBound, smallestWithin } from './targets.ts';

export interface QuantizeOptions extends MeasuringOptions, SearchOptions, ActivationOptions {
  /** Budget in average bits a weight, scales and zero points counted. */
  readonly bits?: number | undefined;
  /** Budget in bytes of the written file. One of `bits`, `budgetBytes`, `maxDrop`, `maxError` and `plan` must be there. */
  readonly budgetBytes?: number | undefined;
  /** The smallest file that loses no more than this on the held-out data, or, where there is none, on the calibration data. */
  readonly maxDrop?: MaxDrop | undefined;
  /** The smallest plan whose bound on the output error (Theorem 3.4, l2 norm, one sample of the calibrated range) is at most this. */
  readonly maxError?: number | undefined;
  /** A plan to apply as it is. */
  readonly plan?: Plan | undefined;
  /** A cost table measured before, from the same model, data and settings. */
  readonly table?: CostTable | undefined;
  /**
   * What an earlier job kept (`QuantizeResult.kept`), from the same model, data and settings: neither calibration nor codes are
   * then made anew. Damaged bytes are not used, and the report says so.
   */
  readonly kept?: Uint8Array | undefined;
  /** Whether every metric is measured for the report's ranks, which takes as long as the cost table again. */
  readonly ranks?: boolean | undefined;
  readonly calibration?: Dataset | undefined;
  /**
   * Steps of label-free training towards the original's outputs, on the calibration data, once everything else is done: 0, or absent, for
   * none. What is kept never does more damage on the fifth of the samples that it is not trained on.
   */
  readonly tune?: number | undefined;
  /** Calibrates on inputs drawn by seed, as many as `samples` says, in place of data: every damage is a proxy then. */
  readonly dataFree?: boolean | undefined;
  /** Held-out data: the written file is run on it beside the original. */
  readonly evaluation?: Dataset | undefined;
  /** Whether what a page draws is gathered as well: every singular value is computed then. */
  readonly pictures?: boolean | undefined;
}

export interface QuantizeResult {
  /** The written ONNX file, and the one beside it where the model takes more than 2 GiB. */
  readonly bytes: Uint8Array;
  readonly data: ModelFiles['data'];
  readonly plan: Plan;
  readonly table: CostTable;
  /** Gains of rows, where they were measured or given: like the table they serve any other budget. */
  readonly gains: ReadonlyMap<string, Float64Array> | undefined;
  /**
   * What was learnt that serves any other budget, as bytes for `QuantizeOptions.kept`: Gram matrices, codes, errors.
   * @param limit most bytes, 256 MiB unless told; undefined where nothing fits
   */
  readonly kept: (limit?: number) => Uint8Array<ArrayBuffer> | undefined;
  /** Whether `QuantizeOptions.kept` was there and of use. */
  readonly keptUsed: boolean;
  readonly report: QuantizeReport;
  /** Where they were asked for. */
  readonly pictures?: QuantizePictures;
}

/**
 * The whole job: model bytes in, smaller model bytes out.
 * @throws UsageError for a budget the widths cannot meet, ModelError, DataError, UnsupportedError for what was brought
 */
export async function quantize(wasm: Wasm, bytes: Uint8Array, given: QuantizeOptions): Promise<QuantizeResult> {
  const start = Date.now();
  checkTune(given);
  checkActivations(given);
  const name = given.name ?? 'model';
  const progress = cancellable(given);
  const model = readModel(bytes, name, { external: given.external });
  const drawn = given.dataFree ? await drawnData(wasm, model, given) : undefined;
  const options = { ...given, ...(drawn && { calibration: drawn.dataset }), activations: activationsIn(given) };
  const wanted =
    options.activations === undefined ? options.plan?.activations !== undefined : options.activations !== 'none';
  const analyzer = analyzerFor(model, wasm, options, wanted ? integerRounding(options) : {});
  try {
    checkLayers(name, analyzer);
    if (options.evaluation) checkDataset(options.evaluation, analyzer.session.inputs);
    if (options.bits !== undefined && !options.plan)
      analyzer.checkBudget({ averageBits: options.bits }, { pins: pinsOf(options), ties: options.ties });
    const unused = options.kept && options.calibration ? useKept(wasm, analyzer, options.kept) : undefined;
    if (options.calibration) await analyzer.calibrate(options.calibration);
    if (options.tune) await analyzer.checkTunable();
    if (options.table) analyzer.useCostTable(options.table);
    await analyzer.computeCurvature();
    const search = new Search(analyzer, wasm, options);
    const known = new Map<number, Tensor>();
    const evaluate = (file: ModelFiles, dataset: Dataset): Promise<EvaluationReport> =>
      evaluateModels(wasm, readModel(file.bytes, `quantized ${name}`, { external: dataOf(file) }), model, dataset, {
        loss: options.loss,
        batch: options.batch,
        progress,
        known,
      });
    const found = await allocate(analyzer, search, options, evaluate);
    const weights = options.tune
      ? await search.tuned(found, options.tune, (tuned) => keepsBudget(tuned, options, evaluate))
      : found;
    const round = (own: Allocation) =>
      withActivations(wasm, analyzer, own, options, (r) => keepsBudget(r, options, evaluate));
    const rounded = wanted
      ? await withinBytes(weights, round, options.tune ? undefined : (left) => search.fit(left))
      : undefined;
    const allocation = rounded?.allocation ?? weights;
    const evaluation = options.evaluation ? await evaluate(allocation, options.evaluation) : null;
    const seconds = (Date.now() - start) / 1000;
    const table = await analyzer.costTable();
    const report = await quantizeReport({
      name,
      model,
      original: bytes.length + externalBytes(model),
      budget: {
        averageBits: options.bits ?? null,
        bytes: options.budgetBytes ?? null,
        maxDrop: options.maxDrop ?? null,
        maxError: options.maxError ?? null,
      },
      analyzer,
      table,
      ...allocation,
      dataFree: drawn?.note ?? null,
      decidedBy: options.maxDrop ? (options.evaluation ? 'held-out' : 'calibration') : null,
      evaluation,
      activations: rounded?.report,
      metricRanks: await ranksOf(analyzer, table, search.gains, options.ranks ?? false),
      notes: unused === undefined ? [] : [unused],
      seconds,
    });
    const pictures = options.pictures
      ? await quantizePictures(analyzer, search.optimizer, table, allocation.quantized)
      : undefined;
    const { facts, layers } = analyzer;
    return {
      bytes: allocation.bytes,
      data: allocation.data,
      plan: allocation.plan,
      table,
      gains: search.gains,
      kept: (limit) => (facts ? writeFacts(wasm, facts, layers, limit) : undefined),
      keptUsed: analyzer.usesFacts,
      report,
      ...(pictures && { pictures }),
    };
  } finally {
    analyzer.dispose();
  }
}

/** @returns why what was kept is not used; undefined where it is */
function useKept(wasm: Wasm, analyzer: CurvatureQuantizationAnalyzer, kept: Uint8Array): string | undefined {
  try {
    analyzer.useFacts(readFacts(wasm, kept, analyzer.layers));
    return undefined;
  } catch (error) {
    if (!(error instanceof DataError)) throw error;
    return `measurements kept from an earlier job are not used: ${error.message}`;
  }
}

/** Inputs in the place of data. @throws UsageError where there is data, or where a drop would be measured on them alone */
function drawnData(wasm: Wasm, model: Model, options: QuantizeOptions): Promise<Synthetic> {
  if (options.calibration) throw new UsageError('expected calibration data or --data-free, found both');
  if (options.maxDrop && !options.evaluation)
    throw new UsageError('--data-free: a largest drop needs real data to measure it on: held-out data');
  return drawnDataset(wasm, model, {
    samples: options.samples,
    seed: options.seed,
    progress: cancellable(options),
  });
}

/** @throws UsageError for steps of tuning that are no count, or cannot be taken */
function checkTune({ tune, calibration, dataFree, maxError }: QuantizeOptions): void {
  if (tune === undefined || tune === 0) return;
  if (!Number.isSafeInteger(tune) || tune < 0)
    throw new UsageError(`--tune: expected a whole number >= 0, found ${tune}`);
  if (!calibration && !dataFree) throw new UsageError('--tune: needs calibration data to train on');
  if (maxError !== undefined) throw new UsageError('--tune: has no effect on what --max-error proves; use one of them');
}

/** Whether a tuned file keeps what the budget says of a file: bytes, or the largest drop. */
async function keepsBudget(
  { bytes, data }: Allocation,
  { budgetBytes, maxDrop, evaluation, calibration }: QuantizeOptions,
  evaluate: (file: ModelFiles, dataset: Dataset) => Promise<EvaluationReport>,
): Promise<boolean> {
  if (budgetBytes !== undefined && bytes.length + (data?.length ?? 0) > budgetBytes) return false;
  if (!maxDrop) return true;
  return dropOf(await evaluate({ bytes, data }, (evaluation ?? calibration)!), maxDrop.measure) <= maxDrop.value;
}

async function allocate(
  analyzer: CurvatureQuantizationAnalyzer,
  search: Search,
  options: QuantizeOptions,
  evaluate: (file: ModelFiles, dataset: Dataset) => Promise<EvaluationReport>,
): Promise<Allocation> {
  const { bits, budgetBytes, maxDrop, maxError, plan } = options;
  if (plan) return search.applied(plan);
  const asked = { bits, bytes: budgetBytes, 'a largest drop': maxDrop, 'a largest error': maxError };
  const budgets = Object.entries(asked).flatMap(([name, value]) => (value === undefined ? [] : [name]));
  if (budgets.length > 1) throw new UsageError(`expected one budget, found ${budgets.join(' and ')}`);
  if (bits !== undefined) return search.within({ averageBits: bits });
  if (budgetBytes !== undefined) return search.fit(budgetBytes);
  if (maxDrop) {
    const data = options.evaluation ?? options.calibration;
    if (!data) throw new UsageError('a largest drop needs data to measure it on: held-out data, or calibration data');
    if (!(maxDrop.value >= 0)) throw new UsageError(`--max-drop: expected a number >= 0, found ${maxDrop.value}`);
    return smallestWithin(search, maxDrop, (file) => evaluate(file, data));
  }
  if (maxError === undefined)
    throw new UsageError('expected a budget: average bits, bytes, a largest drop, a largest error, or a plan');
  if (!options.calibration)
    throw new UsageError('a largest error needs calibration data: the norms of what layers see');
  return search.given(await smallestBound(analyzer, maxError, options), 'smallest within the bound');
}
