import { type BitWidthOptimizer, type OptimizerOptions } from './allocate/optimizer.ts';
import { HARDWARE_WIDTHS } from './allocate/problem.ts';
import type { StrategyName } from './allocate/strategies.ts';
import type { CostTable, Granularity, Plan } from './allocate/types.ts';
import { CurvatureQuantizationAnalyzer, DEFAULT_ROUNDING } from './analyzer.ts';
import type { LossName } from './curvature/damage.ts';
import type { Progress } from './curvature/metric.ts';
import { checkDataset } from './data/check.ts';
import type { Dataset } from './data/dataset.ts';
import { UsageError } from './errors.ts';
import { evaluateModels } from './jobs/evaluate.ts';
import { quantizeReport } from './jobs/summary.ts';
import { readModel, writeModel } from './onnx/index.ts';
import { PrecisionAwareQuantizer, type QuantizedModel } from './quantize/quantizer.ts';
import type { AllocationResult, QuantizeReport } from './report/types.ts';
import type { Wasm } from './wasm/wasm.ts';

export interface QuantizeOptions {
  /** What errors and the report call the model. */
  readonly name?: string | undefined;
  /** Budget in average bits a weight, scales and zero points counted. */
  readonly bits?: number | undefined;
  /** Budget in bytes of the written file. One of `bits`, `budgetBytes` and `plan` must be there. */
  readonly budgetBytes?: number | undefined;
  /** A plan to apply as it is. */
  readonly plan?: Plan | undefined;
  /** A cost table measured before, from the same model, data and settings. */
  readonly table?: CostTable | undefined;
  readonly calibration?: Dataset | undefined;
  /** Held-out data: the written file is run on it beside the original. */
  readonly evaluation?: Dataset | undefined;
  readonly widths?: readonly number[] | 'hardware' | undefined;
  readonly metric?: string | undefined;
  readonly strategy?: StrategyName | undefined;
  readonly objective?: string | undefined;
  readonly rounding?: string | undefined;
  readonly granularity?: Granularity | undefined;
  readonly format?: string | undefined;
  readonly loss?: LossName | undefined;
  /** Layer name -> width; 32 leaves it in float. */
  readonly pins?: ReadonlyMap<string, number> | undefined;
  readonly exclude?: readonly string[] | undefined;
  /** Groups of layers that share a width. */
  readonly ties?: readonly (readonly string[])[] | undefined;
  readonly samples?: number | undefined;
  readonly batch?: number | undefined;
  readonly seed?: number | undefined;
  readonly progress?: Progress | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface QuantizeResult {
  /** The written ONNX file. */
  readonly bytes: Uint8Array;
  readonly plan: Plan;
  readonly table: CostTable;
  readonly report: QuantizeReport;
}

/** Plans of the table that are measured together beside uniform ones. */
const JOINT_CANDIDATES = 4;
/** Attempts to fit a file into a budget of bytes. */
const FITTING_ROUNDS = 12;

/**
 * The whole job: model bytes in, smaller model bytes out.
 * @throws UsageError for a budget the widths cannot meet, ModelError, DataError, UnsupportedError for what was brought
 */
export async function quantize(wasm: Wasm, bytes: Uint8Array, options: QuantizeOptions): Promise<QuantizeResult> {
  const start = Date.now();
  const name = options.name ?? 'model';
  const progress = cancellable(options);
  const model = readModel(bytes, name);
  const format = options.format ?? 'dense';
  const analyzer = new CurvatureQuantizationAnalyzer(model, wasm, {
    widths: options.widths === 'hardware' ? HARDWARE_WIDTHS : formatWidths(format, options.widths),
    metric: options.metric,
    loss: options.loss,
    rounding: {
      granularity: options.granularity ?? DEFAULT_ROUNDING.granularity,
      scaleType: format === 'qdq' ? 'float' : DEFAULT_ROUNDING.scaleType,
    },
    samples: options.samples,
    batch: options.batch,
    seed: options.seed,
    progress,
  });
  try {
    if (analyzer.layers.length === 0) throw new UsageError(`${name}: no weight that can be quantized (${analyzer.left.length} left out)`);
    if (options.evaluation) checkDataset(options.evaluation, analyzer.session.inputs);
    if (options.calibration) await analyzer.calibrate(options.calibration);
    if (options.table) analyzer.useCostTable(options.table);
    await analyzer.computeCurvature();
    const job = new Job(analyzer, wasm, bytes.length, format, options);
    const allocation = options.plan ? await job.given(options.plan) : await job.search();
    const evaluation = options.evaluation
      ? await evaluateModels(wasm, readModel(allocation.bytes, `quantized ${name}`), model, options.evaluation, { ...options, progress })
      : null;
    const seconds = (Date.now() - start) / 1000;
    const table = await analyzer.costTable();
    const report = await quantizeReport({ name, model, original: bytes.length, options, analyzer, table, ...allocation, evaluation, seconds, format });
    return { bytes: allocation.bytes, plan: allocation.plan, table, report };
  } finally {
    analyzer.dispose();
  }
}

/** What an allocation became. */
export interface Allocation {
  readonly plan: Plan;
  readonly bytes: Uint8Array;
  readonly quantized: QuantizedModel;
  /** The chosen allocation first. */
  readonly allocations: readonly AllocationResult[];
}

class Job {
  private readonly quantizer: PrecisionAwareQuantizer;
  private readonly optimizer: BitWidthOptimizer;

  constructor(
    private readonly analyzer: CurvatureQuantizationAnalyzer,
    wasm: Wasm,
    private readonly originalBytes: number,
    format: string,
    private readonly options: QuantizeOptions,
  ) {
    const { clip, scaleType, granularity, asymmetricBits } = analyzer.rounding;
    this.quantizer = new PrecisionAwareQuantizer(wasm, { clip, scaleType });
    const pins = new Map(options.pins);
    for (const name of options.exclude ?? []) pins.set(name, 32);
    const settings: OptimizerOptions = {
      objective: options.objective,
      pins,
      ties: options.ties,
      granularity,
      symmetric: (bits) => !asymmetricBits.includes(bits),
      rounding: options.rounding ?? 'nearest',
      format,
    };
    this.optimizer = analyzer.optimizer(settings);
  }

  async given(plan: Plan): Promise<Allocation> {
    const { bytes, quantized } = this.write(plan);
    const damage = this.analyzer.calibrated ? await this.analyzer.measure(plan) : null;
    return { plan, bytes, quantized, allocations: [result('given plan', plan, damage)] };
  }

  async search(): Promise<Allocation> {
    const { bits, budgetBytes } = this.options;
    if (bits !== undefined && budgetBytes !== undefined) throw new UsageError('expected one budget, found both bits and bytes');
    if (bits !== undefined) return this.within({ averageBits: bits });
    if (budgetBytes === undefined) throw new UsageError('expected a budget: average bits, bytes, or a plan');
    return this.fit(budgetBytes);
  }

  /**
   * The best plan within a budget of the weights' own bytes: the optimizer's plans and the uniform ones are all measured
   * together on the calibration data, and the least damage wins, so that the plan is never worse than uniform there.
   */
  private async within(budget: { averageBits: number } | { bytes: number }): Promise<Allocation> {
    const strategy = this.options.strategy ?? 'best';
    const chosen = this.optimizer.optimize(budget, strategy);
    const found = new Map<string, Plan>([[strategy, chosen]]);
    if (strategy === 'best')
      this.optimizer.candidates(budget, JOINT_CANDIDATES).forEach((plan, i) => found.set(`${plan.strategy} ${i + 1}`, plan));
    found.set('uniform', this.optimizer.uniform(budget));
    const ends = this.optimizer.uniformEnds(budget);
    if (ends) found.set('uniform, ends at 8', ends);
    const results: { result: AllocationResult; plan: Plan }[] = [];
    for (const [name, plan] of found) {
      if (results.some((r) => sameWidths(r.plan, plan) && name !== 'uniform')) continue;
      const damage = this.analyzer.calibrated ? await this.analyzer.measure(plan) : null;
      results.push({ plan, result: result(name, plan, damage) });
    }
    results.sort((a, b) => (a.result.damage ?? 0) - (b.result.damage ?? 0));
    const best = results[0]!;
    const { bytes, quantized } = this.write(best.plan);
    return { plan: best.plan, bytes, quantized, allocations: results.map((r) => r.result) };
  }

  /** The best plan whose written file is at most that many bytes. */
  private async fit(target: number): Promise<Allocation> {
    const { minBytes, maxBytes } = this.optimizer.limits;
    const smallest = this.optimizer.optimize({ bytes: minBytes });
    const least = this.write(smallest);
    if (least.bytes.length > target)
      throw new UsageError(
        `budget ${target} bytes: expected at least ${least.bytes.length}, the file with every layer at its smallest width (the original is ${this.originalBytes})`,
      );
    let budget = target - (least.bytes.length - smallest.bytes);
    for (let round = 0; round < FITTING_ROUNDS; round++) {
      const allocation = await this.within({ bytes: Math.min(budget, maxBytes) });
      const over = allocation.bytes.length - target;
      if (over <= 0) return allocation;
      budget = Math.max(minBytes, budget - over);
    }
    return { plan: smallest, ...least, allocations: [result('smallest', smallest, null)] };
  }

  private write(plan: Plan): { bytes: Uint8Array; quantized: QuantizedModel } {
    const quantized = this.quantizer.quantizeModel(this.analyzer.model, plan, this.analyzer.grams);
    return { quantized, bytes: writeModel(quantized.model) };
  }
}

function result(name: string, plan: Plan, damage: number | null): AllocationResult {
  return { name, averageBits: plan.averageBits, bytes: plan.bytes, bits: plan.layers.map((l) => l.bits), damage, predicted: plan.predicted };
}

function sameWidths(a: Plan, b: Plan): boolean {
  return a.layers.every((l, i) => l.bits === b.layers[i]?.bits);
}

/** Widths a format can hold. @throws UsageError where one asked for is not among them */
function formatWidths(format: string, widths: readonly number[] | undefined): readonly number[] | undefined {
  if (format !== 'qdq') return widths;
  const wrong = widths?.find((b) => !HARDWARE_WIDTHS.includes(b));
  if (wrong !== undefined) throw new UsageError(`--format qdq: expected widths among ${HARDWARE_WIDTHS.join(', ')}, found ${wrong}; use --format dense`);
  return widths ?? HARDWARE_WIDTHS;
}

/** Progress that throws once the job is cancelled: every long loop reports it. */
export function cancellable(options: { readonly progress?: Progress | undefined; readonly signal?: AbortSignal | undefined }): Progress {
  return (stage, done, total) => {
    if (options.signal?.aborted) throw options.signal.reason;
    options.progress?.(stage, done, total);
  };
}
