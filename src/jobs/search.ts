import type { BitWidthOptimizer, OptimizerOptions } from '../allocate/optimizer.ts';
import type { StrategyName } from '../allocate/strategies.ts';
import type { Plan } from '../allocate/types.ts';
import type { CurvatureQuantizationAnalyzer } from '../analyzer.ts';
import { UsageError } from '../errors.ts';
import { writeModel } from '../onnx/index.ts';
import { PrecisionAwareQuantizer, type QuantizedModel } from '../quantize/quantizer.ts';
import type { AllocationResult } from '../report/types.ts';
import type { Wasm } from '../wasm/wasm.ts';

/** Plans of the table that are measured together beside uniform ones. */
const JOINT_CANDIDATES = 4;
/** Allocations that reports show even where another one has the same widths. */
const ALWAYS_SHOWN: readonly string[] = ['uniform', 'spectral'];
/** Attempts to fit a file into a budget of bytes. */
const FITTING_ROUNDS = 12;

/** What an allocation became. */
export interface Allocation {
  readonly plan: Plan;
  readonly bytes: Uint8Array;
  readonly quantized: QuantizedModel;
  /** The chosen allocation first. */
  readonly allocations: readonly AllocationResult[];
}

/** What decides an allocation besides its budget. */
export interface SearchOptions {
  readonly strategy?: StrategyName | undefined;
  readonly objective?: string | undefined;
  readonly rounding?: string | undefined;
  /** Layer name -> width; 32 leaves it in float. */
  readonly pins?: ReadonlyMap<string, number> | undefined;
  readonly exclude?: readonly string[] | undefined;
  /** Groups of layers that share a width. */
  readonly ties?: readonly (readonly string[])[] | undefined;
}

/** Pinned layers, the excluded ones among them. */
export function pinsOf({ pins, exclude = [] }: SearchOptions): Map<string, number> {
  return new Map([...(pins ?? []), ...exclude.map((name) => [name, 32] as const)]);
}

/** Finds and writes the plans of one analysed model, for any number of budgets. */
export class Search {
  private readonly quantizer: PrecisionAwareQuantizer;
  readonly optimizer: BitWidthOptimizer;
  private readonly settings: OptimizerOptions;
  /** Over the seed document's curvatures, made when first asked for. */
  private spectral: BitWidthOptimizer | undefined;

  /** @param analyzer after `computeCurvature` */
  constructor(
    private readonly analyzer: CurvatureQuantizationAnalyzer,
    wasm: Wasm,
    private readonly options: SearchOptions = {},
  ) {
    const { clip, scaleType } = analyzer.rounding;
    this.quantizer = new PrecisionAwareQuantizer(wasm, { clip, scaleType });
    this.settings = { pins: pinsOf(options), ties: options.ties, rounding: options.rounding ?? 'nearest' };
    this.optimizer = analyzer.optimizer({ ...this.settings, objective: options.objective });
  }

  /** A plan as it is; its damage is that of the weights written. */
  async given(plan: Plan, name = 'given plan'): Promise<Allocation> {
    const { bytes, quantized } = this.write(plan);
    const damage = this.analyzer.calibrated ? await this.analyzer.measureWritten(quantized) : null;
    return { plan, bytes, quantized, allocations: [result(name, plan, damage)] };
  }

  /**
   * The best plan within a budget of the weights' own bytes: the optimizer's plans, the uniform ones and what the seed
   * document's spectral curvature would have chosen are all measured together on the calibration data, and the least damage
   * wins, so that the plan is never worse than uniform there.
   */
  async within(budget: { averageBits: number } | { bytes: number }): Promise<Allocation> {
    const strategy = this.options.strategy ?? 'best';
    const chosen = this.optimizer.optimize(budget, strategy);
    const found = new Map<string, Plan>([[strategy, chosen]]);
    if (strategy === 'best')
      this.optimizer
        .candidates(budget, JOINT_CANDIDATES)
        .forEach((plan, i) => found.set(`${plan.strategy} ${i + 1}`, plan));
    found.set('uniform', this.optimizer.uniform(budget));
    const ends = this.optimizer.uniformEnds(budget);
    if (ends) found.set('uniform, ends at 8', ends);
    if (this.analyzer.calibrated && this.optimizer.table.metric !== 'spectral')
      found.set('spectral', (await this.spectralOptimizer()).optimize(budget, 'exact'));
    const results: { result: AllocationResult; plan: Plan }[] = [];
    for (const [name, plan] of found) {
      if (!ALWAYS_SHOWN.includes(name) && results.some((r) => sameWidths(r.plan, plan))) continue;
      const damage = this.analyzer.calibrated ? await this.analyzer.measure(plan) : null;
      const measured = result(name, plan, damage);
      // The spectral table's damages are no damages in the unit of the others.
      results.push({ plan, result: name === 'spectral' ? { ...measured, predicted: null } : measured });
    }
    results.sort((a, b) => (a.result.damage ?? 0) - (b.result.damage ?? 0));
    const best = results[0]!;
    const { bytes, quantized } = this.write(best.plan);
    return { plan: best.plan, bytes, quantized, allocations: results.map((r) => r.result) };
  }

  /**
   * The best plan whose written file is at most that many bytes.
   * @throws UsageError where even the smallest widths make a larger file
   */
  async fit(target: number): Promise<Allocation> {
    const { minBytes, maxBytes } = this.optimizer.limits;
    const smallest = this.optimizer.optimize({ bytes: minBytes });
    const least = this.write(smallest);
    if (least.bytes.length > target)
      throw new UsageError(
        `budget ${target} bytes: expected at least ${least.bytes.length}, the file with every layer at its smallest width`,
      );
    let budget = target - (least.bytes.length - smallest.bytes);
    for (let round = 0; round < FITTING_ROUNDS; round++) {
      const allocation = await this.within({ bytes: Math.min(budget, maxBytes) });
      const over = allocation.bytes.length - target;
      if (over <= 0) return allocation;
      budget = Math.max(minBytes, budget - over);
    }
    return this.given(smallest, 'smallest');
  }

  private async spectralOptimizer(): Promise<BitWidthOptimizer> {
    this.spectral ??= this.analyzer.optimizer(this.settings, await this.analyzer.tableOf('spectral'));
    return this.spectral;
  }

  private write(plan: Plan): { bytes: Uint8Array; quantized: QuantizedModel } {
    const quantized = this.quantizer.quantizeModel(this.analyzer.model, plan, this.analyzer.grams);
    return { quantized, bytes: writeModel(quantized.model) };
  }
}

function result(name: string, plan: Plan, damage: number | null): AllocationResult {
  return {
    name,
    averageBits: plan.averageBits,
    bytes: plan.bytes,
    bits: plan.layers.map((l) => l.bits),
    damage,
    predicted: plan.predicted,
  };
}

function sameWidths(a: Plan, b: Plan): boolean {
  return a.layers.every((l, i) => l.bits === b.layers[i]?.bits);
}
