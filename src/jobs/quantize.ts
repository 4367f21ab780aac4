import type { CostTable, Plan } from '../allocate/types.ts';
import type { Synthetic } from '../calibrate/synthetic.ts';
import { checkDataset } from '../data/check.ts';
import type { Dataset } from '../data/dataset.ts';
import { DataError, UsageError } from '../errors.ts';
import { dataOf, externalBytes, type ModelFiles, readModel } from '../onnx/index.ts';
import type { Model } from '../onnx/model.ts';
import { cancellable } from '../progress.ts';
import type { CurvatureQuantizationAnalyzer } from '../analyzer.ts';
import type { EvaluationReport, QuantizeReport } from '../report/types.ts';
import type { Tensor } from '../tensor.ts';
import type { Wasm } from '../wasm/wasm.ts';
import type { ActivationOptions } from './activations.ts';
import type { QuantizePictures } from '../report/pictures.ts';
import { analyzerFor, checkLayers, type MeasuringOptions } from './options.ts';
import { type Allocation, pinsOf, Search, type SearchOptions } from './search.ts';
import type { MaxDrop } from './targets.ts';

/** What `quantize` may be told: how small, on what data, and how everything in between is done. */
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
  /** Data that the file is fitted to; the last fifth of it judges whole plans. */
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

/** What `quantize` gives: the file, the plan it follows, what was measured, and the report. */
export interface QuantizeResult {
  /** The written ONNX file, and the one beside it where the model takes more than 2 GiB. */
  readonly bytes: Uint8Array;
  readonly data: ModelFiles['data'];
  /** Width, rounding and format of every layer, as written. */
  readonly plan: Plan;
  /** What was measured: damage and bytes of every layer at every width. */
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
  /** Everything there is to say, as plain data. */
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
  const integers = mayRound(given) ? await import('./activations.ts') : undefined;
  integers?.checkActivations(given);
  const name = given.name ?? 'model';
  const progress = cancellable(given);
  const activations = integers?.activationsIn(given);
  const wanted = activations === undefined ? given.plan?.activations !== undefined : activations !== 'none';
  const read = readModel(bytes, name, { external: given.external });
  const model = wanted && integers ? integers.reachIntegers(read) : read;
  const drawn = given.dataFree ? await drawnData(wasm, model, given) : undefined;
  const options = { ...given, ...(drawn && { calibration: drawn.dataset }), activations };
  const analyzer = await analyzerFor(model, wasm, options, (wanted && integers?.integerRounding(options)) || {});
  try {
    checkLayers(name, analyzer);
    if (options.evaluation) checkDataset(options.evaluation, analyzer.session.inputs);
    if (options.bits !== undefined && !options.plan)
      analyzer.checkBudget({ averageBits: options.bits }, { pins: pinsOf(options), ties: options.ties });
    const unused = options.kept && options.calibration ? await useKept(wasm, analyzer, options.kept) : undefined;
    if (options.calibration) await analyzer.calibrate(options.calibration);
    if (options.tune) await analyzer.checkTunable();
    if (options.table) analyzer.useCostTable(options.table);
    await analyzer.computeCurvature();
    const ahead = wanted ? await import('./activation-ahead.ts') : undefined;
    const weighed = await ahead?.searchAhead(wasm, analyzer, options);
    const search = weighed?.search ?? new Search(analyzer, wasm, options);
    const known = new Map<number, Tensor>();
    const evaluate = async (file: ModelFiles, dataset: Dataset): Promise<EvaluationReport> => {
      const { evaluateModels } = await import('./evaluate.ts');
      const written = readModel(file.bytes, `quantized ${name}`, { external: dataOf(file) });
      const { loss, batch } = options;
      return evaluateModels(wasm, written, model, dataset, { loss, batch, progress, known });
    };
    const budgetBytes =
      weighed && options.budgetBytes !== undefined ? weighed.room(options.budgetBytes) : options.budgetBytes;
    const found = await allocate(analyzer, search, { ...options, budgetBytes }, evaluate);
    const weights = options.tune
      ? await search.tuned(found, options.tune, (tuned) => keepsBudget(tuned, options, evaluate))
      : found;
    const round = (own: Allocation) =>
      integers!.withActivations(wasm, analyzer, own, options, (r) => keepsBudget(r, options, evaluate));
    const rounded = wanted
      ? await ahead!.withinBytes(
          weights,
          round,
          options.tune ? undefined : (left) => search.fit(left),
          budgetBytes === options.budgetBytes ? undefined : options.budgetBytes,
        )
      : undefined;
    const allocation = rounded?.allocation ?? weights;
    const evaluation = options.evaluation ? await evaluate(allocation, options.evaluation) : null;
    const seconds = (Date.now() - start) / 1000;
    const table = await analyzer.costTable();
    const { quantizeReport, quantizePictures, ranksOf, writeFacts } = await import('./closing.ts');
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
      images: imagesOf(options),
      dataFree: drawn?.note ?? null,
      decidedBy: options.maxDrop ? (options.evaluation ? 'held-out' : 'calibration') : null,
      evaluation,
      activations: rounded?.report,
      metricRanks: await ranksOf(analyzer, table, search.gains, options.ranks ?? false),
      notes: unused === undefined ? [] : [unused],
      seconds,
    });
    const pictures = options.pictures
      ? await quantizePictures(wasm, analyzer, search.optimizer, table, allocation.quantized, rounded?.report)
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

/** Whether activations may have to be rounded. */
function mayRound({ activations, format, plan }: QuantizeOptions): boolean {
  return activations !== undefined || format === 'integer' || plan?.activations !== undefined;
}

/** @returns why what was kept is not used; undefined where it is */
async function useKept(
  wasm: Wasm,
  analyzer: CurvatureQuantizationAnalyzer,
  kept: Uint8Array,
): Promise<string | undefined> {
  const { readFacts } = await import('../analyzer/facts-file.ts');
  try {
    analyzer.useFacts(readFacts(wasm, kept, analyzer.layers));
    return undefined;
  } catch (error) {
    if (!(error instanceof DataError)) throw error;
    return `measurements kept from an earlier job are not used: ${error.message}`;
  }
}

/** Inputs in the place of data. @throws UsageError where there is data, or where a drop would be measured on them alone */
async function drawnData(wasm: Wasm, model: Model, options: QuantizeOptions): Promise<Synthetic> {
  if (options.calibration) throw new UsageError('expected calibration data or --data-free, found both');
  if (options.maxDrop && !options.evaluation)
    throw new UsageError('--data-free: a largest drop needs real data to measure it on: held-out data');
  const { drawnDataset } = await import('./drawn.ts');
  return drawnDataset(wasm, model, {
    samples: options.samples,
    seed: options.seed,
    progress: cancellable(options),
  });
}

/** What the report says of data that are images. */
function imagesOf({ calibration, evaluation }: QuantizeOptions): QuantizeReport['images'] {
  const [made, heldOut] = [calibration?.preprocessing, evaluation?.preprocessing];
  if (made === undefined && heldOut === undefined) return undefined;
  return { ...(made !== undefined && { calibration: made }), ...(heldOut !== undefined && { evaluation: heldOut }) };
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
  const { dropOf } = await import('./targets.ts');
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
    const { smallestWithin } = await import('./targets.ts');
    return smallestWithin(search, maxDrop, (file) => evaluate(file, data));
  }
  if (maxError === undefined)
    throw new UsageError('expected a budget: average bits, bytes, a largest drop, a largest error, or a plan');
  if (!options.calibration)
    throw new UsageError('a largest error needs calibration data: the norms of what layers see');
  const { smallestBound } = await import('./targets.ts');
  return search.given(await smallestBound(analyzer, maxError, options), 'smallest within the bound');
}
