import type { BitWidthOptimizer, Budget, OptimizerOptions } from '../allocate/optimizer.ts';
import type { StrategyName } from '../allocate/strategies.ts';
import type { CostTable, Plan } from '../allocate/types.ts';
import { writtenWeights } from '../analyzer/layers.ts';
import type { CurvatureQuantizationAnalyzer } from '../analyzer.ts';
import { MemoryError, UnsupportedError, UsageError } from '../errors.ts';
import type { Coded } from '../grid/coded.ts';
import { makeInitializer, type ModelFiles, writeModelFiles } from '../onnx/index.ts';
import { withInitializers } from '../graph/index.ts';
import { FORMATS } from '../quantize/formats.ts';
import { PrecisionAwareQuantizer, type QuantizedModel, type QuantizerOptions } from '../quantize/quantizer.ts';
import { turn } from '../progress.ts';
import type { AllocationResult, QuantizeReport } from '../report/types.ts';
import type { Tensor } from '../tensor.ts';
import type { TuneReport } from '../tune/index.ts';
import type { Wasm } from '../wasm/wasm.ts';
import { type Kind, layerKinds, rowKind, sameWidths, uniformKinds } from './kinds.ts';
import { BASELINE, intervalOf, judged, lessThan, result, tellsApart, tellsWorse, type Tried } from './judge.ts';
import { planRanks } from './plan-ranks.ts';
import { RowPlans, rowsRefused, WIDEST } from './row-plans.ts';

/** Joint measurements spent on moves away from the best plan, and how many in a row may fail. */
const REFINEMENTS = 8;
const FAILURES = 4;
/** Plans whose damages differ by less than this share of them do not differ as far as the few samples that judge them can tell. */
const TIE = 0.1;
/** Uniform widths of so many times the damage of the plan chosen are given the last pass too. */
const CLOSE = 3;
/** Attempts to fit one kind of plan into a budget of bytes. */
const FITTING_ROUNDS = 8;

/** What an allocation became. */
export interface Allocation extends ModelFiles {
  readonly plan: Plan;
  readonly quantized: QuantizedModel;
  /** Initializers that stay in float but not as they were, by name. */
  readonly replaced: ReadonlyMap<string, Tensor>;
  /** The chosen allocation first. */
  readonly allocations: readonly AllocationResult[];
  /** Why no plan has a width for every row, or what its rows are not told apart by; null where there is nothing to say. */
  readonly rowsNote: string | null;
  /** Predicted damage of each layer by weight name, of a plan of rows. */
  readonly layerDamages?: ReadonlyMap<string, number> | undefined;
  /** What tuning did; absent where it was not asked for. */
  readonly tuning?: TuneReport | undefined;
  /** How well metrics rank the plans that were measured together. */
  readonly ranks: QuantizeReport['ranks'];
}

/** Unit of allocation: a width a layer, a width a row, or whichever does less damage on the calibration data. */
export type Unit = 'auto' | 'layer' | 'rows';
/** The units of allocation there are. */
export const UNITS: readonly Unit[] = ['auto', 'layer', 'rows'];

/** What decides an allocation besides its budget. */
export interface SearchOptions {
  /** How widths are chosen; `best` unless told. */
  readonly strategy?: StrategyName | undefined;
  readonly objective?: string | undefined;
  readonly unit?: Unit | undefined;
  /** Layer name -> width; 32 leaves it in float. */
  readonly pins?: ReadonlyMap<string, number> | undefined;
  readonly exclude?: readonly string[] | undefined;
  /** Groups of layers that share a width. */
  readonly ties?: readonly (readonly string[])[] | undefined;
  /** What tensors that are not quantized are stored as: fp32 unless told. */
  readonly rest?: QuantizerOptions['rest'];
  /** Name of a second file, for a model of more than 2 GiB. */
  readonly dataName?: string | undefined;
  /** Gains of rows measured before, by weight name. */
  readonly gains?: ReadonlyMap<string, Float64Array> | undefined;
}

/** Pinned layers, the excluded ones among them. */
export function pinsOf({ pins, exclude = [] }: SearchOptions): Map<string, number> {
  return new Map([...(pins ?? []), ...exclude.map((name) => [name, 32] as const)]);
}

/** A plan's file, and the one beside it where one cannot hold it. */
interface Written extends ModelFiles {
  readonly quantized: QuantizedModel;
  /** What stays in float but not as it was: biases that rows left out went to, by name. */
  readonly replaced: ReadonlyMap<string, Tensor>;
}

/** Whether a plan keeps the budget. */
type Fits = (plan: Plan) => boolean;

/** Finds and writes the plans of one analysed model, for any number of budgets. */
export class Search {
  readonly optimizer: BitWidthOptimizer;
  private readonly quantizer: PrecisionAwareQuantizer;
  private readonly settings: OptimizerOptions;
  private readonly rounding: string;
  private kinds: Kind[] | undefined;
  /** By name of the kind. */
  private readonly rows = new Map<string, RowPlans>();
  /** Over the seed document's curvatures. */
  private spectral: BitWidthOptimizer | undefined;
  private note: string | null = null;
  /** Gains of rows, where they were measured or given. */
  gains: ReadonlyMap<string, Float64Array> | undefined;

  /** @param analyzer after `computeCurvature` */
  constructor(
    private readonly analyzer: CurvatureQuantizationAnalyzer,
    wasm: Wasm,
    private readonly options: SearchOptions = {},
  ) {
    const { clip, scaleType, rounding } = analyzer.rounding;
    this.quantizer = new PrecisionAwareQuantizer(wasm, {
      clip,
      scaleType,
      rest: options.rest,
      // Without data nothing is measured with them.
      keepValues: analyzer.calibrated !== undefined,
    });
    this.rounding = rounding;
    this.settings = { pins: pinsOf(options), ties: options.ties, rounding };
    this.optimizer = analyzer.optimizer({ ...this.settings, objective: options.objective });
    this.gains = options.gains;
  }

  /** A plan as it is, each layer rounded by itself; its damage is that of the weights written. */
  async given(plan: Plan, name = 'given plan'): Promise<Allocation> {
    const written = this.write(plan);
    const found = await this.measured(written);
    return { plan, ...written, allocations: [result({ name, plan, ...found })], rowsNote: this.note, ranks: [] };
  }

  /** A plan as it is, rounded in sequence where that does less damage. */
  async applied(plan: Plan, name = 'given plan'): Promise<Allocation> {
    const plain = await this.given(plan, name);
    const [{ damage, damageError: interval } = { damage: null, damageError: null }] = plain.allocations;
    const last = await this.inSequence({ name, plan, damage, interval });
    if (!last) return plain;
    const allocations = [result({ ...last.tried, plan }), ...plain.allocations];
    return { ...plain, ...last.written, allocations };
  }

  /**
   * The best plan within a budget of the weights' own bytes: plans with a width a layer and with a width a row, uniform ones and
   * what the seed document's spectral curvature would have chosen are all measured together on the calibration data. The least
   * damage wins, so that the plan is never worse than uniform there, and is refined by moves while that pays.
   */
  async within(budget: Budget): Promise<Allocation> {
    const bytes = this.optimizer.bytesOf(budget);
    const plans = (await this.allKinds()).flatMap(({ plan, ...kind }) => {
      const found = plan(bytes, false);
      return found ? [{ ...kind, plan: found }] : [];
    });
    return this.best(plans, (plan) => plan.bytes <= bytes, bytes, false);
  }

  /**
   * The best plan whose written file is at most that many bytes: every kind of plan is fitted by itself, since kinds differ in
   * what their nodes and names take.
   * @throws UsageError where even the smallest widths make a larger file
   */
  async fit(target: number): Promise<Allocation> {
    const smallest = this.optimizer.optimize({ bytes: this.optimizer.limits.minBytes });
    const least = this.fileBytes(smallest);
    if (least > target)
      throw new UsageError(
        `budget ${target} bytes: expected at least ${least}, the file with every layer at its smallest width`,
      );
    const start = target - (least - smallest.bytes);
    const plans = (await this.allKinds()).flatMap(({ plan, ...kind }) => {
      const found = this.fitted(plan, start, target);
      return found ? [{ ...kind, plan: found }] : [];
    });
    if (plans.length === 0) return this.given(smallest, 'smallest');
    return this.best(plans, (plan) => this.fileBytes(plan) <= target, start, true);
  }

  /** The plan of least predicted damage alone, nothing measured together: for a search over budgets. */
  async quick(bytes: number): Promise<(ModelFiles & { plan: Plan })[]> {
    const kinds = (await this.allKinds()).filter(({ name }) => this.rows.has(name) || name === this.strategy);
    return kinds.flatMap(({ plan }) => {
      const found = plan(bytes, false);
      return found ? [{ plan: found, ...this.write(found) }] : [];
    });
  }

  /** The plan of least predicted damage layer by layer, or the nearest there is to that many bytes; nothing is measured. */
  draft(bytes: number): Allocation {
    const { minBytes, maxBytes } = this.optimizer.limits;
    const plan = this.optimizer.optimize({ bytes: Math.max(minBytes, Math.min(bytes, maxBytes)) });
    return { plan, ...this.write(plan), allocations: [], rowsNote: null, ranks: [] };
  }

  fileBytes(plan: Plan): number {
    return this.quantizer.fileBytes(this.analyzer.model, plan);
  }

  /**
   * What was found, trained towards the original's outputs for that many steps; as it was where that did no less damage on the
   * samples held out, or `keeps` refuses the result.
   */
  async tuned(found: Allocation, steps: number, keeps: (tuned: Allocation) => Promise<boolean>): Promise<Allocation> {
    const { plan, quantized, allocations } = found;
    const start = new Map(quantized.layers.flatMap((l) => (l.coded ? [[l.weight, l.coded] as const] : [])));
    const { coded, initializers, report } = await this.analyzer.tune(start, steps, found.replaced);
    if (report.kept === 0) return { ...found, tuning: report };
    const written = this.write(plan, coded, initializers);
    const { damage, interval } = await this.measured({ ...written, replaced: initializers });
    const own = result({ name: `${allocations[0]!.name}, tuned`, plan, damage, interval });
    const tuned = { ...found, ...written, allocations: [own, ...allocations], tuning: report };
    const better = damage! < allocations[0]!.damage!;
    return better && (await keeps(tuned)) ? tuned : { ...found, tuning: untuned(report) };
  }

  /** Damage of weights as they were written; null without data. */
  private async measured({ quantized, replaced }: Pick<Written, 'quantized' | 'replaced'>) {
    const joint = this.analyzer.measuring?.joint;
    if (!joint) return { damage: null, interval: null };
    const { damage, rows } = await joint.measureRows(writtenWeights(quantized, replaced));
    return { damage, interval: joint.interval(rows) };
  }

  private get strategy(): StrategyName {
    return this.options.strategy ?? 'best';
  }

  /** The largest plan of a kind whose file is no larger than `target`; undefined where none was found. */
  private fitted(kind: Kind['plan'], start: number, target: number): Plan | undefined {
    const { minBytes, maxBytes } = this.optimizer.limits;
    const clamped = (bytes: number) => Math.max(minBytes, Math.min(bytes, maxBytes));
    let budget = clamped(start);
    let best: Plan | undefined;
    let low = minBytes;
    let high = maxBytes + 1;
    for (let round = 0; round < FITTING_ROUNDS && low < high; round++) {
      const plan = kind(budget, true);
      if (!plan) break;
      const slack = target - this.fileBytes(plan);
      if (slack >= 0) {
        low = budget + 1;
        if (!best || plan.bytes > best.bytes) best = plan;
      } else high = budget;
      // What is over or left, as long as that leads between what fitted and what did not.
      const next = clamped(budget + slack);
      budget = next >= low && next < high ? next : Math.floor((low + high - 1) / 2);
    }
    return best;
  }

  private async best(
    plans: readonly { readonly name: string; readonly always: boolean; readonly plan: Plan }[],
    fits: Fits,
    bytes: number,
    file: boolean,
  ): Promise<Allocation> {
    const different = plans.filter(
      ({ always, plan }, i) => always || !plans.slice(0, i).some((r) => sameWidths(r.plan, plan)),
    );
    const tried = await judged(this.analyzer, different);
    const first = this.firstOf(tried.filter((t) => t.samples === undefined));
    const refined = await this.refined(first, fits, bytes, file);
    const chosen = refined ?? first;
    const own = await this.inSequence(chosen, tried.find((t) => t.name === BASELINE)?.damage ?? undefined);
    const uniform = tried.find((t) => t.name === BASELINE && t !== first);
    const last = (await this.closeInSequence(uniform, own?.tried ?? chosen)) ?? own;
    const winner = last?.tried ?? chosen;
    if (last && refined) tried.push(refined);
    if (own && last !== own) tried.push(own.tried);
    const others = tried.filter((t) => t !== winner).sort((a, b) => (a.damage ?? 0) - (b.damage ?? 0));
    const written = last?.written ?? this.write(winner.plan);
    return {
      plan: winner.plan,
      ...written,
      allocations: [winner, ...others].map(result),
      rowsNote: this.note,
      layerDamages: this.rows.get(first.name)?.damagesOf(winner.plan),
      ranks: planRanks(tried, this.predictors()),
    };
  }

  /**
   * The plan of least damage, or uniform widths where it is not so much less than theirs that the samples can tell; of those hardly
   * worse, and no worse than uniform widths, the one that the rows' gains, measured on more samples, predict the least of.
   */
  private firstOf(tried: readonly Tried[]): Tried {
    const least = tried.reduce((a, b) => ((b.damage ?? 0) < (a.damage ?? 0) ? b : a));
    if (least.damage === null) return least;
    const baseline = tried.find((t) => t.name === BASELINE);
    if (baseline && !tellsApart(least.damage, baseline.damage!, this.analyzer.calibrated!.judged)) return baseline;
    const rows = this.rows.get('rows, some left out');
    if (!rows) return least;
    const uniform = tried.flatMap((t) => (t.name.startsWith('uniform') && t.damage !== null ? [t.damage] : []));
    const most = Math.min(least.damage * (1 + TIE), ...uniform);
    const predicted = (t: Tried) => rows.predict(t.plan) ?? Number.POSITIVE_INFINITY;
    const near = tried.filter((t) => t === least || (t.damage !== null && t.damage <= most));
    return near.reduce((a, b) => (predicted(b) < predicted(a) ? b : a));
  }

  /**
   * The chosen plan rounded once more, layer after layer on what the layers before it give once quantized; undefined where the
   * samples tell that this does more damage, or there is nothing to do it with.
   * @param most damage it may do
   */
  private async inSequence(
    { name, plan, damage }: Tried,
    most = Number.POSITIVE_INFINITY,
  ): Promise<{ tried: Tried; written: Written } | undefined> {
    if (damage === null || plan.layers.every((l) => l.bits === 32 || l.rounding === 'nearest')) return undefined;
    const written = this.write(plan, await this.analyzer.sequential(plan));
    const weights = writtenWeights(written.quantized, written.replaced);
    const { damage: after, rows } = await this.analyzer.measuring!.joint.measureRows(weights);
    if (after >= damage && (after > most || (await tellsWorse(this.analyzer, plan, rows)))) return undefined;
    const interval = this.analyzer.measuring!.joint.interval(rows);
    return { tried: { name: `${name}, in sequence`, plan, damage: after, interval }, written };
  }

  /** Uniform widths in sequence, which may help them more than it helped a plan that did not do much better: where they end below it. */
  private async closeInSequence(uniform: Tried | undefined, best: Tried) {
    if (!uniform || best.damage === null || uniform.damage! > CLOSE * best.damage) return undefined;
    const found = await this.inSequence(uniform);
    return found && found.tried.damage! <= best.damage ? found : undefined;
  }

  /** What each metric says of a plan, where it can be asked. */
  private predictors(): Map<string, (plan: Plan) => number | undefined> {
    const onTable = (table: CostTable) => (plan: Plan) => {
      let sum = 0;
      for (const p of plan.layers) {
        const own = table.layers.find((l) => l.weight === p.weight)?.choices.find((c) => c.bits === p.bits);
        if (p.rowBits || !own) return undefined;
        sum += own.damage;
      }
      return sum;
    };
    const { rows, spectral } = this;
    const { table } = this.optimizer;
    return new Map([
      [table.metric, onTable(table)],
      ...[...rows].map(([name, of]) => [`${table.metric}, ${name}`, (plan: Plan) => of.predict(plan)] as const),
      ...(spectral ? [['spectral', onTable(spectral.table)] as const] : []),
    ]);
  }

  /** Moves away from the best plan, measured together, as long as that pays; undefined where none did. */
  private async refined(first: Tried, fits: Fits, bytes: number, file: boolean): Promise<Tried | undefined> {
    if (first.damage === null || first.damage === 0) return undefined;
    let best: { plan: Plan; damage: number } = { plan: first.plan, damage: first.damage };
    let left = REFINEMENTS;
    let failures = 0;
    const moves = this.movesFrom(first, bytes, file);
    let accepted = false;
    for (let next = moves.next(false); !next.done && left > 0 && failures < FAILURES; next = moves.next(accepted)) {
      accepted = false;
      const plan = next.value;
      if (!fits(plan) || sameWidths(plan, best.plan)) continue;
      const damage = await lessThan(this.analyzer, plan, best.plan, best.damage);
      left--;
      accepted = damage !== undefined;
      failures = accepted ? 0 : failures + 1;
      if (damage !== undefined) best = { plan, damage };
    }
    const { judged } = this.analyzer.calibrated!;
    if (best.plan === first.plan || (first.name === BASELINE && !tellsApart(best.damage, first.damage, judged)))
      return undefined;
    return { name: `${first.name}, refined`, ...best, interval: intervalOf(this.analyzer, best.plan) };
  }

  /** Plans near one, the likeliest first; told whether the last one was better, and goes on from it where it was. */
  private *movesFrom({ plan: start, name }: Tried, bytes: number, file: boolean): Generator<Plan, void, boolean> {
    const rows = this.rows.get(name);
    if (rows) return yield* rows.moves(start, bytes, { file });
    if (name === 'spectral') return;
    const budget = { bytes: Math.min(bytes, this.optimizer.limits.maxBytes) };
    let base = start;
    for (let again = true; again; ) {
      again = false;
      for (const plan of this.optimizer.neighbours(base, budget, REFINEMENTS)) {
        if (!(yield { ...plan, strategy: `${start.strategy}` })) continue;
        base = plan;
        again = true;
        break;
      }
    }
  }

  private async allKinds(): Promise<Kind[]> {
    this.kinds ??= await this.makeKinds();
    return this.kinds;
  }

  private async makeKinds(): Promise<Kind[]> {
    const { analyzer, optimizer } = this;
    const unit = this.options.unit ?? 'auto';
    const table = optimizer.table;
    const kinds: Kind[] = unit === 'rows' ? [] : layerKinds(optimizer, this.strategy);
    if (unit !== 'layer') kinds.push(...(await this.rowKinds(table, unit)));
    kinds.push(...uniformKinds(optimizer));
    if (analyzer.calibrated && table.metric !== 'spectral') {
      const spectral = analyzer.optimizer(this.settings, await analyzer.tableOf('spectral'));
      this.spectral = spectral;
      const within = (bytes: number) => ({ bytes: Math.min(bytes, spectral.limits.maxBytes) });
      kinds.push({ name: 'spectral', always: true, plan: (bytes) => spectral.optimize(within(bytes), 'exact') });
    }
    return kinds;
  }

  /**
   * Rows told apart by what the network makes of their errors, and by their errors alone: gains from few samples can be so noisy
   * that they are worse than none.
   */
  private async rowKinds(table: CostTable, unit: Unit): Promise<Kind[]> {
    const objective = this.options.objective ?? 'sum';
    const refused =
      objective === 'sum'
        ? rowsRefused(this.analyzer, table, unit === 'rows')
        : `objective ${objective} is none of single rows`;
    if (refused !== undefined) {
      if (unit === 'rows') throw new UsageError(`--unit rows: ${refused}`);
      this.note = `no width for every row: ${refused}`;
      return [];
    }
    try {
      this.gains ??= await this.analyzer.rowGains();
    } catch (error) {
      const short = error instanceof MemoryError && error.budget;
      if (!(error instanceof UnsupportedError) || short) throw error;
      this.note = `rows are told apart by their own errors alone: ${error.message}`;
    }
    const settings = { pins: pinsOf(this.options), ties: this.options.ties, rounding: this.rounding };
    for (const [i, layer] of this.analyzer.layers.entries())
      for (const bits of this.analyzer.widths) {
        if (bits > WIDEST) continue;
        this.analyzer.rowErrors(layer, bits);
        await turn();
        this.analyzer.progress('errors of rows', i, this.analyzer.layers.length);
      }
    const of = (gains: typeof this.gains, omit = false) =>
      new RowPlans(this.analyzer, table, gains, { ...settings, omit });
    if (this.gains) {
      this.rows.set('rows', of(this.gains));
      this.rows.set('rows, some left out', of(this.gains, true));
    }
    this.rows.set('rows by error', of(undefined));
    return [...this.rows].map(([name, rows]) => rowKind(name, rows));
  }

  /**
   * The file of a plan. Layers made with this analyzer's own grids and rounding have the codes that were measured.
   * @param given codes to write instead
   * @param initializers replacements of initializers that stay in float
   */
  private write(
    plan: Plan,
    given: ReadonlyMap<string, Coded> = new Map(),
    initializers: ReadonlyMap<string, Tensor> = new Map(),
  ): Written {
    const { analyzer } = this;
    const planned = new Map(plan.layers.map((p) => [p.weight, p]));
    const layers = new Map(analyzer.layers.map((l) => [l.weight, l]));
    const biases = analyzer.layers.flatMap(
      (l) => analyzer.candidates.bias(l, planned.get(l.weight)?.rowBits ?? 32) ?? [],
    );
    const replaced = new Map([...biases.map((b) => [b.name, b.tensor] as const), ...initializers]);
    const tensors = [...replaced].map(([name, t]) => makeInitializer(name, t));
    const model = tensors.length > 0 ? withInitializers(analyzer.model, tensors) : analyzer.model;
    // Asked for one by one: the codes of all layers together may be more than memory should hold.
    const get = (weight: string): Coded | undefined => {
      const [p, layer] = [planned.get(weight), layers.get(weight)];
      const own = p && layer && p.bits !== 32 && this.isOwn(p);
      return given.get(weight) ?? (own ? analyzer.candidates.coded(layer, p.rowBits ?? p.bits) : undefined);
    };
    const quantized = this.quantizer.quantizeModel(model, plan, analyzer.grams, { get });
    return { quantized, replaced, ...writeModelFiles(quantized.model, this.options.dataName) };
  }

  /** Whether a layer of a plan is to be coded as the analyzer's candidates are. */
  private isOwn(p: Plan['layers'][number]): boolean {
    const own = this.analyzer.rounding;
    const asymmetric = (b: number) => (p.asymmetricBits ? p.asymmetricBits.includes(b) : !p.symmetric);
    return (
      p.granularity === own.granularity &&
      p.rounding === own.rounding &&
      FORMATS[p.format]?.scaleTypes.includes(own.scaleType) === true &&
      this.analyzer.widths.includes(p.bits) &&
      (p.rowBits ?? [p.bits]).every((b) => asymmetric(b) === own.asymmetricBits.includes(b))
    );
  }
}

/** The report of what was not kept. */
function untuned(report: TuneReport): TuneReport {
  const { tuning, heldOut } = report;
  return {
    ...report,
    kept: 0,
    tuning: { ...tuning, after: tuning.before },
    heldOut: { ...heldOut, after: heldOut.before },
  };
}
