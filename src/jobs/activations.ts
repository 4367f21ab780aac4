import type { CostActivations, Plan, PlanActivation } from '../allocate/types.ts';
import { type AnalyzerOptions, type CurvatureQuantizationAnalyzer, DEFAULT_ROUNDING } from '../analyzer.ts';
import { histogramsOf } from '../calibrate/histogram.ts';
import { affineFor, type RangeMethod, rangeOf } from '../calibrate/ranges.ts';
import { UsageError } from '../errors.ts';
import { canRaise, loadOperators, Session, withInitializers } from '../graph/index.ts';
import type { Layer } from '../graph/layers.ts';
import type { Coded } from '../grid/coded.ts';
import { makeInitializer, sizeOfFiles, writeModelFiles } from '../onnx/index.ts';
import type { Model } from '../onnx/model.ts';
import type { Progress } from '../progress.ts';
import { roomForBias } from '../quantize/activations/bias.ts';
import { writeDynamic } from '../quantize/activations/dynamic.ts';
import { biasOf } from '../quantize/activations/operators.ts';
import { type IntegerNode, type Placement, place } from '../quantize/activations/place.ts';
import { type SmallWeight, smallWeights, writeSmall } from '../quantize/activations/small.ts';
import {
  type ActivationType,
  INTEGER_OPSET,
  limitsOf,
  ROWS_OPSET,
  type SiteGrid,
  writeActivations,
} from '../quantize/activations/write.ts';
import { integer, whyNotInteger } from '../quantize/integer.ts';
import { raiseOpset } from '../quantize/opset.ts';
import { PrecisionAwareQuantizer, type QuantizedModel } from '../quantize/quantizer.ts';
import { mergedScales } from '../quantize/slices.ts';
import type { Target } from '../quantize/targets.ts';
import type { ActivationReport } from '../report/types.ts';
import type { Wasm } from '../wasm/wasm.ts';
import { activationCosts, whyNotLayer } from './activation-costs.ts';
import { damageOf, type References, typeAt, unitOf } from './activation-damages.ts';
import { type Chosen, chooseWidths } from './activation-widths.ts';
import type { MeasuringOptions } from './options.ts';
import type { Allocation } from './search.ts';

export { reachIntegers } from '../quantize/activations/raise.ts';

/** Widths of activations: none of them rounded, all to 8 or 16 bits, or each as its damage allows. */
export type ActivationWidths = 'none' | 8 | 16 | 'auto';
/** What can be asked for of activations. */
export const ACTIVATION_WIDTHS: readonly ActivationWidths[] = ['none', 8, 16, 'auto'];

/** Whether, and how, what operators read and make is rounded to integers. */
export interface ActivationOptions {
  /** Whether activations are rounded to integers, so that runtimes multiply integers; `none` unless told, or the plan says so. */
  readonly activations?: ActivationWidths | undefined;
  /** How their ranges are chosen; `mse` unless told. */
  readonly activationRange?: RangeMethod | undefined;
  /** What 8-bit activations are stored as; uint8 unless told. */
  readonly activationType?: 'uint8' | 'int8' | undefined;
  /** Widths that `auto` chooses from besides leaving a value in float: [8] unless told. */
  readonly activationBits?: readonly (8 | 16)[] | undefined;
  /** Largest file. */
  readonly budgetBytes?: number | undefined;
  /** Who is to run the file. */
  readonly target?: Target | undefined;
  /** Name of a second file, for a model of more than 2 GiB. */
  readonly dataName?: string | undefined;
  readonly progress?: Progress | undefined;
}

export interface Activated {
  readonly allocation: Allocation;
  readonly report: ActivationReport;
  /** Bytes beyond the budget of a file that was given up for them. */
  readonly over: number;
}

/** The widths asked for: weights that are all to be multiplied as integers need activations of 8 bits. */
export function activationsIn(
  options: ActivationOptions & Pick<MeasuringOptions, 'format'>,
): ActivationWidths | undefined {
  return options.activations ?? (options.format === 'integer' ? 8 : undefined);
}

/** @throws UsageError for activations that are to be rounded beside what does not know of them */
export function checkActivations(options: ActivationOptions & { readonly maxError?: number | undefined }): void {
  const { activations = 'none', activationRange, maxError, target } = options;
  if (activations !== 'none' && target === 'webgpu')
    throw new UsageError('--activations: target webgpu has no operators that multiply integers');
  if (activations === 'none' && activationRange !== undefined && options.activations !== undefined)
    throw new UsageError('--activation-range: has no effect with --activations none');
  if (activations !== 'none' && maxError !== undefined)
    throw new UsageError('--activations: what --max-error proves is about weights alone; use one of them');
}

/** First opset of ai.onnx that has DynamicQuantizeLinear. */
const DYNAMIC_OPSET = 11;

/** Widths of weights whose zero points can be subtracted from their codes in int8. */
const ASYMMETRIC: readonly number[] = [2, 3, 4, 5, 6, 7];

/** What an analyzer is to do otherwise, so that weights can be multiplied as integers: 8 bits have no zero points. */
export function integerRounding(options: MeasuringOptions): Pick<AnalyzerOptions, 'rounding'> {
  const { granularity = DEFAULT_ROUNDING.granularity, rounding = DEFAULT_ROUNDING.rounding } = options;
  return { rounding: { granularity, rounding, asymmetricBits: ASYMMETRIC } };
}

/**
 * An allocation with activations rounded to integers. With calibration data, or a plan that has them, scales and zero points are
 * constants (static); without, 8-bit ones are found in every run (dynamic), for matrix products alone.
 * @param keeps whether a result keeps the budget; one that does not is given up, and the report says so
 * @throws UsageError where what was asked for needs calibration data; UnsupportedError for a model it cannot be written in
 */
export async function withActivations(
  wasm: Wasm,
  analyzer: CurvatureQuantizationAnalyzer,
  found: Allocation,
  options: ActivationOptions,
  keeps: (rounded: Allocation) => Promise<boolean>,
): Promise<Activated> {
  const rounded = await attempted(wasm, analyzer, found, options);
  if (rounded.allocation === found || (await keeps(rounded.allocation))) return rounded;
  const reason = 'with activations in integers the file would not keep the budget';
  const left = [...rounded.report.left, ...analyzer.layers.map((l) => ({ layer: l.name, reason }))];
  const over = Math.max(0, sizeOfFiles(rounded.allocation) - (options.budgetBytes ?? Number.POSITIVE_INFINITY));
  const { groups: _, work: __, ...rest } = rounded.report;
  return { allocation: found, report: { ...rest, mode: 'none', operators: 0, values: [], left }, over };
}

async function attempted(
  wasm: Wasm,
  analyzer: CurvatureQuantizationAnalyzer,
  found: Allocation,
  options: ActivationOptions,
): Promise<Activated> {
  const given = options.activations === undefined ? found.plan.activations : undefined;
  const work = new Work(wasm, analyzer, found, options);
  const data = analyzer.measuring;
  if (given ? given.mode === 'dynamic' : !data) {
    if (options.activations === 16 || options.activations === 'auto')
      throw new UsageError(`--activations ${options.activations}: needs calibration data to find ranges`);
    return work.dynamic();
  }
  return given ? work.given(given.values) : work.calibrated();
}

/**
 * Bytes that a file grows by when activations are rounded: found by writing it with scales that mean nothing.
 * @param widths by value; those not named have the width asked for
 */
export function roundingBytes(
  wasm: Wasm,
  analyzer: CurvatureQuantizationAnalyzer,
  draft: Allocation,
  options: ActivationOptions,
  widths: ReadonlyMap<string, number>,
): number {
  return analyzer.measuring ? new Work(wasm, analyzer, draft, options).bytesWith(widths) : 0;
}

/** The cost table's part about activations, which the analyzer's table has from then on. */
export async function costsOf(
  wasm: Wasm,
  analyzer: CurvatureQuantizationAnalyzer,
  options: ActivationOptions,
): Promise<CostActivations> {
  const table = await analyzer.costTable();
  const part = await activationCosts(
    wasm,
    analyzer,
    {
      target: options.target ?? 'any',
      range: options.activationRange ?? 'mse',
      type: options.activationType ?? 'uint8',
      bits: options.activationBits ?? [8],
      progress: (...p) => analyzer.progress(...p),
    },
    table.activations,
  );
  if (part !== table.activations) analyzer.useCostTable({ ...table, activations: part });
  return part;
}

class Work {
  private readonly base: Model;
  private readonly coded: ReadonlyMap<string, Coded>;
  private readonly able: readonly Layer[];
  private readonly small: readonly SmallWeight[];
  private readonly left: ActivationReport['left'][number][] = [];
  private readonly method: RangeMethod;
  private readonly references: References = new Map();

  constructor(
    private readonly wasm: Wasm,
    private readonly analyzer: CurvatureQuantizationAnalyzer,
    private readonly found: Allocation,
    private readonly options: ActivationOptions,
  ) {
    this.method = options.activationRange ?? 'mse';
    this.base = withInitializers(
      analyzer.model,
      [...found.replaced].map(([name, t]) => makeInitializer(name, t)),
    );
    // onnxruntime-web gains nothing by integers where a channel sums few products, and the first convolution does much damage.
    this.small = options.target === 'node' ? smallWeights(wasm, this.base) : [];
    this.coded = this.codes();
    this.able = analyzer.layers.filter((layer) => {
      const why = this.whyNot(layer);
      if (why !== undefined) this.left.push({ layer: layer.name, reason: why });
      return why === undefined;
    });
  }

  /** Ranges from the calibration data, widths as asked for. */
  async calibrated(): Promise<Activated> {
    const { wasm, analyzer, options, base } = this;
    const { data } = analyzer.measuring!;
    const wanted = options.activations === 16 ? 16 : 8;
    const type = this.typeOf(wanted);
    let placement = place(base, this.usable());
    if (placement.nodes.length === 0) return this.nothing();
    await loadOperators(this.found.quantized.model);
    const session = new Session(this.found.quantized.model, wasm);
    try {
      const groups = new Map(placement.sites.map((s) => [s.value, s.group]));
      const { dataset, batch, calibration } = data;
      const cells = await histogramsOf(wasm, session, groups, dataset, {
        batch,
        samples: calibration.samples,
        progress: (done, total) => this.progress('ranges of activations', done, total),
      });
      const gridOf = (value: string, t: ActivationType): SiteGrid => {
        const [low, high] = limitsOf(t);
        return { ...affineFor(rangeOf(wasm, cells[groups.get(value)!]!, this.method, low, high), low, high), type: t };
      };
      if (options.activations !== 'auto') return this.finish(placement, (v) => gridOf(v, type));
      const bitsOf = (widths: ReadonlyMap<string, number>) => (v: string) =>
        gridOf(v, this.typeOf(widths.get(v) === 16 ? 16 : 8));
      const part = await costsOf(wasm, analyzer, options);
      const integers = new Set(placement.nodes.map((n) => n.layer.weight));
      const weights = this.found.allocations[0]?.damage ?? 0;
      const { chosen, together, ...choice } = await chooseWidths(part, integers, weights, unitOf(analyzer), (widths) =>
        this.damage(this.assembled(this.placedAs(widths), bitsOf(widths)).model),
      );
      placement = this.placedAs(chosen);
      if (placement.nodes.length === 0) return this.nothing(choice);
      return this.finish(placement, bitsOf(chosen), choice, together);
    } finally {
      session.dispose();
    }
  }

  bytesWith(widths: ReadonlyMap<string, number>): number {
    const placement = this.placedAs(widths);
    if (placement.nodes.length === 0) return 0;
    let grids = 0;
    const { model } = this.assembled(placement, (value) => {
      const type = this.typeOf(this.options.activations === 16 ? 16 : (widths.get(value) ?? 8));
      const [low, high] = limitsOf(type);
      return { scale: 1 + ++grids / 4096, zero: low, low, high, type };
    });
    const written = writeModelFiles(model, this.options.dataName);
    return Math.max(0, sizeOfFiles(written) - sizeOfFiles(this.found));
  }

  /** Scales and zero points as a plan has them. @throws UsageError for values that the model has not, or not to be rounded */
  async given(values: readonly PlanActivation[]): Promise<Activated> {
    const all = place(this.base, this.usable());
    const known = new Map(values.map((v) => [v.value, v]));
    const wrong = values.find((v) => !all.sites.some((s) => s.value === v.value));
    if (wrong) throw new UsageError(`plan, activations: '${wrong.value}' is no value that can be rounded`);
    const absent = all.sites.filter((s) => (known.get(s.value)?.bits ?? 32) === 32);
    const placement = place(this.base, this.usable(), new Set(absent.map((s) => s.value)));
    if (placement.nodes.length === 0) return this.nothing();
    return this.finish(placement, (name) => {
      const { scale, zero, type } = known.get(name)!;
      const [low, high] = limitsOf(type);
      return { scale, zero, type, low, high };
    });
  }

  /** Matrix products whose inputs are rounded in every run. */
  async dynamic(): Promise<Activated> {
    this.checkOpset(DYNAMIC_OPSET);
    const { nodes } = place(this.base, this.able);
    const own = nodes.filter(({ node, layer }) => {
      if (node.opType !== 'Conv') return true;
      this.left.push({
        layer: layer.name,
        reason: 'a convolution: rounding its input in every run takes longer than it saves',
      });
      return false;
    });
    if (own.length === 0) return this.nothing();
    const { plan, quantized } = this.quantized(own, this.coded, DYNAMIC_OPSET);
    const model = writeDynamic(quantized.model, own);
    const activations = { mode: 'dynamic', range: 'minmax', values: [] } as const;
    return this.result({ ...plan, activations }, { ...quantized, model }, own, []);
  }

  private async finish(
    placement: Placement,
    gridOf: (value: string) => SiteGrid,
    choice: Choice = {},
    together?: number,
  ): Promise<Activated> {
    const { plan, quantized, model, grids } = this.assembled(placement, gridOf);
    const values = placement.sites.map(({ value, group }): PlanActivation => {
      const { type, scale, zero } = grids[group]!;
      return { value, bits: type.endsWith('16') ? 16 : 8, type, scale, zero };
    });
    const activations = { mode: 'static', range: this.method, values } as const;
    return this.result({ ...plan, activations }, { ...quantized, model }, placement.nodes, values, choice, together);
  }

  private assembled(placement: Placement, gridOf: (value: string) => SiteGrid) {
    const grids: SiteGrid[] = [];
    for (const { value, group } of placement.sites) grids[group] ??= gridOf(value);
    const coded = this.withRoom(placement, grids);
    const { plan, quantized } = this.quantized(placement.nodes, coded, this.opset());
    const scales = (weight: string) => mergedScales(coded.get(weight)!);
    const products = this.options.target === 'node' ? 'microsoft' : 'standard';
    return { plan, quantized, grids, model: writeActivations(quantized.model, placement, grids, scales, products) };
  }

  /** The placement without values that are to stay in float. */
  private placedAs(widths: ReadonlyMap<string, number>): Placement {
    const float = [...widths].filter(([, bits]) => bits === 32).map(([value]) => value);
    return place(this.base, this.usable(), new Set(float));
  }

  /** Codes whose biases can be int32. */
  private withRoom({ sites, nodes }: Placement, grids: readonly SiteGrid[]): ReadonlyMap<string, Coded> {
    const group = new Map(sites.map((s) => [s.value, s.group]));
    const initializers = new Map(this.base.graph.initializers.map((t) => [t.name, t]));
    const coded = new Map(this.coded);
    for (const { node, layer, input } of nodes) {
      const bias = initializers.get(biasOf(node));
      if (!bias || node.opType !== 'Conv') continue;
      const { scale } = grids[group.get(input)!]!;
      const before = coded.get(layer.weight)!;
      coded.set(layer.weight, roomForBias(before, bias.tensor().data as Float32Array, scale));
    }
    return coded;
  }

  /** The weights written: in integers where these nodes multiply them, else as the plan says. */
  private quantized(nodes: readonly IntegerNode[], coded: ReadonlyMap<string, Coded>, opset: number) {
    const own = new Set(nodes.map((n) => n.layer.weight));
    const layers = this.found.plan.layers.map((l) => ({
      ...l,
      format: own.has(l.weight) ? 'integer' : l.format === 'integer' ? 'dense' : l.format,
    }));
    const plan: Plan = { ...this.found.plan, layers };
    const quantized = this.quantizer(opset).quantizeModel(this.base, plan, new Map(), coded);
    const small = this.small.flatMap(({ layer }) =>
      own.has(layer.weight) ? [{ layer, coded: coded.get(layer.weight)! }] : [],
    );
    return { plan, quantized: { ...quantized, model: writeSmall(this.wasm, quantized.model, small) } };
  }

  /** @param opset that is enough for `integer`, since what reads such weights is written after them */
  private quantizer(opset = ROWS_OPSET): PrecisionAwareQuantizer {
    const { clip, scaleType } = this.analyzer.rounding;
    const formats = { integer: { ...integer, opset: () => opset } };
    return new PrecisionAwareQuantizer(this.wasm, { clip, scaleType, formats });
  }

  private codes(): ReadonlyMap<string, Coded> {
    const { layers } = this.found.quantized;
    const known = layers.every((l) => l.bits === 32 || l.coded !== undefined);
    const all = known ? layers : this.quantizer().quantizeModel(this.base, this.found.plan, this.analyzer.grams).layers;
    const small = this.small.map(({ layer, coded }) => [layer.weight, coded] as const);
    return new Map([...all.flatMap((l) => (l.coded ? [[l.weight, l.coded] as const] : [])), ...small]);
  }

  private whyNot(layer: Layer): string | undefined {
    const coded = this.coded.get(layer.weight);
    if (coded === undefined) return 'its weight is left in float';
    return whyNotInteger(coded) ?? whyNotLayer(this.base, layer, this.options.target ?? 'any');
  }

  /** Layers that can be integers in this model's opset. @throws UnsupportedError where it has none that can */
  private usable(): readonly Layer[] {
    this.opset();
    return [...this.able, ...this.small.map((s) => s.layer)];
  }

  /** Opset that weights in integers are written in: with scales a row where the model can be raised to it. */
  private opset(): number {
    if (this.reaches(ROWS_OPSET)) return ROWS_OPSET;
    const least = this.options.activations === 16 ? ROWS_OPSET : INTEGER_OPSET;
    this.checkOpset(least);
    return least;
  }

  private reaches(opset: number): boolean {
    return (this.base.opsets.get('') ?? 0) >= opset || canRaise(this.base, opset);
  }

  /** @throws UnsupportedError naming a node that keeps the model from that opset */
  private checkOpset(least: number): void {
    raiseOpset(this.base, least, '--activations', '');
  }

  private typeOf(bits: number): ActivationType {
    return typeAt(bits, this.options.activationType ?? 'uint8');
  }

  private damage(model: Model): Promise<number> {
    return damageOf(this.wasm, this.analyzer, model, this.references);
  }

  private nothing(choice: Choice = {}): Activated {
    return { allocation: this.found, report: { ...this.empty('none'), ...choice }, over: 0 };
  }

  private empty(mode: ActivationReport['mode']): ActivationReport {
    const weights = this.found.allocations[0]?.damage ?? null;
    const { left, method } = this;
    return {
      mode,
      range: method,
      operators: 0,
      values: [],
      left,
      weights,
      together: null,
      predicted: null,
      limit: null,
    };
  }

  private async result(
    plan: Plan,
    quantized: QuantizedModel,
    nodes: readonly IntegerNode[],
    values: readonly PlanActivation[],
    choice: Choice = {},
    known?: number,
  ): Promise<Activated> {
    const files = writeModelFiles(quantized.model, this.options.dataName);
    const together = known ?? (this.analyzer.measuring ? await this.damage(quantized.model) : null);
    const used = new Set(nodes.map((n) => n.layer.weight));
    for (const { name, weight } of this.able)
      if (!used.has(weight) && !this.left.some((l) => l.layer === name))
        this.left.push({
          layer: name,
          reason:
            'its input or output stays in float: it does more damage in integers than that is worth, or is a constant',
        });
    const damageOfGroup = (value: string) => choice.groups?.find((g) => g.values.includes(value))?.damage ?? null;
    const shown = values.map((v) => ({ ...v, damage: damageOfGroup(v.value) }));
    const report = {
      ...this.empty(plan.activations!.mode),
      ...choice,
      operators: nodes.length,
      values: shown,
      together,
    };
    const [chosen, ...others] = this.found.allocations;
    const allocations =
      chosen && together !== null
        ? [
            { ...chosen, name: `${chosen.name}, activations rounded`, damage: together, damageError: null },
            chosen,
            ...others,
          ]
        : this.found.allocations;
    return { allocation: { ...this.found, plan, quantized, allocations, ...files }, report, over: 0 };
  }

  private progress(...p: Parameters<Progress>): void {
    this.options.progress?.(...p);
  }
}

type Choice = Partial<Omit<Chosen, 'chosen' | 'together'>>;
