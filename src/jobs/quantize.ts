import type { CostTable, Plan } from '../allocate/types.ts';
import { checkDataset } from '../data/check.ts';
import type { Dataset } from '../data/dataset.ts';
import { UsageError } from '../errors.ts';
import { readModel } from '../onnx/index.ts';
import { cancellable } from '../progress.ts';
import type { QuantizeReport } from '../report/types.ts';
import type { Wasm } from '../wasm/wasm.ts';
import { evaluateModels } from './evaluate.ts';
import { analyzerFor, type MeasuringOptions } from './options.ts';
import { type Allocation, pinsOf, Search, type SearchOptions } from './search.ts';
import { quantizeReport } from './summary.ts';

export interface QuantizeOptions extends MeasuringOptions, SearchOptions {
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
}

export interface QuantizeResult {
  /** The written ONNX file. */
  readonly bytes: Uint8Array;
  readonly plan: Plan;
  readonly table: CostTable;
  readonly report: QuantizeReport;
}

/**
 * The whole job: model bytes in, smaller model bytes out.
 * @throws UsageError for a budget the widths cannot meet, ModelError, DataError, UnsupportedError for what was brought
 */
export async function quantize(wasm: Wasm, bytes: Uint8Array, options: QuantizeOptions): Promise<QuantizeResult> {
  const start = Date.now();
  const name = options.name ?? 'model';
  const progress = cancellable(options);
  const model = readModel(bytes, name, { external: options.external });
  const analyzer = analyzerFor(model, wasm, options);
  try {
    if (analyzer.layers.length === 0)
      throw new UsageError(`${name}: no weight that can be quantized (${analyzer.left.length} left out)`);
    if (options.evaluation) checkDataset(options.evaluation, analyzer.session.inputs);
    if (options.bits !== undefined && !options.plan)
      analyzer.checkBudget({ averageBits: options.bits }, { pins: pinsOf(options), ties: options.ties });
    if (options.calibration) await analyzer.calibrate(options.calibration);
    if (options.table) analyzer.useCostTable(options.table);
    await analyzer.computeCurvature();
    const search = new Search(analyzer, wasm, options);
    const allocation = await allocate(search, options);
    const evaluation = options.evaluation
      ? await evaluateModels(wasm, readModel(allocation.bytes, `quantized ${name}`), model, options.evaluation, {
          loss: options.loss,
          batch: options.batch,
          progress,
        })
      : null;
    const seconds = (Date.now() - start) / 1000;
    const table = await analyzer.costTable();
    const report = await quantizeReport({
      name,
      model,
      original: bytes.length,
      budget: { averageBits: options.bits ?? null, bytes: options.budgetBytes ?? null },
      analyzer,
      table,
      ...allocation,
      evaluation,
      seconds,
    });
    return { bytes: allocation.bytes, plan: allocation.plan, table, report };
  } finally {
    analyzer.dispose();
  }
}

async function allocate(search: Search, { bits, budgetBytes, plan }: QuantizeOptions): Promise<Allocation> {
  if (plan) return search.given(plan);
  if (bits !== undefined && budgetBytes !== undefined)
    throw new UsageError('expected one budget, found both bits and bytes');
  if (bits !== undefined) return search.within({ averageBits: bits });
  if (budgetBytes === undefined) throw new UsageError('expected a budget: average bits, bytes, or a plan');
  return search.fit(budgetBytes);
}
