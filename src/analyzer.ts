import { BitWidthOptimizer, type Budget, type OptimizerOptions } from './allocate/optimizer.ts';
import type { StrategyName } from './allocate/strategies.ts';
import type { CostTable, Plan } from './allocate/types.ts';
import { type Calibration, calibrate } from './calibrate/calibrate.ts';
import type { Candidates, RoundingSettings } from './curvature/candidates.ts';
import { chooseLosses } from './curvature/damage.ts';
import { rowGains } from './curvature/jac.ts';
import { JointMeasurement, weightsOf, widthsIn } from './curvature/joint.ts';
import { type Checkpoint, type MetricContext, type MetricData, metricNamed } from './curvature/metric.ts';
import './curvature/metrics.ts';
import { leftOutErrorRows, localErrorRows } from './curvature/rows.ts';
import { LayerSpectrum, layerSpectrum } from './curvature/spectra.ts';
import { checkDataset } from './data/check.ts';
import type { Dataset } from './data/dataset.ts';
import { UnsupportedError } from './errors.ts';
import { equalize } from './graph/equalize.ts';
import { findLayers, type Layer } from './graph/layers.ts';
import type { Coded } from './grid/coded.ts';
import type { LayerGram } from './grid/gram.ts';
import { storedByRows } from './grid/weight.ts';
import { prepareModel } from './graph/prepare.ts';
import { problemsText } from './graph/problems.ts';
import { Session } from './graph/session.ts';
import { unsupportedIn } from './graph/steps.ts';
import type { Model } from './onnx/model.ts';
import { Encoding } from './quantize/encoding.ts';
import type { WeightFormat } from './quantize/format.ts';
import type { QuantizedModel } from './quantize/quantizer.ts';
import { sequentialPass } from './quantize/sequential.ts';
import type { Tensor } from './tensor.ts';
import type { Tuned, TuneInput } from './tune/index.ts';
import type { ErrorEstimate } from './verify/estimate.ts';
import type { PrecisionRequirement } from './verify/requirement.ts';
import type { Wasm } from './wasm/wasm.ts';
import { shareSamples } from './analyzer/batch.ts';
import type { Facts } from './analyzer/facts.ts';
import {
  candidatesOf,
  checkTable,
  formatName,
  gramsOf,
  inFloat,
  type LayerCurvature,
  requirementOf,
  squaredDistance,
  unmeasured,
  withoutNonFinite,
  writtenWeights,
} from './analyzer/layers.ts';
import { fewSamplesNote, roundingNotes, shortenedNote } from './analyzer/notes.ts';
import { type AnalyzerOptions, formatOf, roundingIn, targetOf, widthsOf } from './analyzer/options.ts';
import { breath } from './progress.ts';

export type { LayerCurvature } from './analyzer/layers.ts';
export { type AnalyzerOptions, DEFAULT_ROUNDING } from './analyzer/options.ts';

/**
 * The seed document's analyzer: calibrates on real forward passes, computes every layer's curvature (Definition 4.1), allocates
 * bits, and says what Theorems 3.4 and 4.7 have to say of the result. The model is taken as it is; on a copy, weights held by
 * Constant nodes become initializers and BatchNormalization is folded into the convolution before it.
 *
 *     const analyzer = new CurvatureQuantizationAnalyzer(model, wasm, { targetAccuracy: 0.01, minBits: 2, maxBits: 8 });
 *     await analyzer.calibrate(data);
 *     await analyzer.computeCurvature();
 *     const plan = analyzer.optimizeBitAllocation(4);
 */
export class CurvatureQuantizationAnalyzer {
  readonly targetAccuracy: number;
  readonly widths: readonly number[];
  /** The model with BatchNormalization folded: what layers, plans and the written file are about. */
  readonly model: Model;
  readonly layers: readonly Layer[];
  readonly left: readonly { readonly weight: string; readonly reason: string }[];
  /** Why the model cannot be run: weights alone can be looked at then. Undefined where it can. */
  readonly unsupported: UnsupportedError | undefined;
  readonly rounding: RoundingSettings;
  /** The format asked for, or `dense`; `encoding` has that of every layer at every width. */
  readonly format: WeightFormat;
  readonly encoding: Encoding;

  private running: Session | undefined;
  private calibration: Calibration | undefined;
  private data: MetricData | undefined;
  private joint: JointMeasurement | undefined;
  /** The quantized forms of every layer at every width; new after `calibrate`. */
  candidates: Candidates;
  private spectra = new Map<string, LayerSpectrum>();
  private costs: CostTable | undefined;
  private known: Facts | undefined;
  /** weight -> width -> error of each row. */
  private errors = new Map<string, Map<number, Float64Array>>();
  private unrounded: readonly string[] | undefined;
  private shortened: string | undefined;

  /**
   * @throws RangeError for a target accuracy that is not positive or widths outside 2..8 and 16
   * @throws ModelError for a model that contradicts itself
   */
  constructor(
    model: Model,
    private readonly wasm: Wasm,
    private readonly options: AnalyzerOptions = {},
  ) {
    this.targetAccuracy = targetOf(options);
    this.widths = widthsOf(options);
    this.format = formatOf(options);
    this.rounding = roundingIn(this.format, options);
    const prepared = prepareModel(model);
    this.model = options.equalize ? equalize(prepared).model : prepared;
    this.encoding = new Encoding(this.model, options.target ?? 'any', options.format);
    const { layers, left } = withoutNonFinite(wasm, this.model, findLayers(this.model));
    this.layers = layers;
    this.left = left;
    const problems = unsupportedIn(this.model);
    if (problems.length > 0) this.unsupported = new UnsupportedError(problemsText(problems));
    this.candidates = candidatesOf(this.wasm, this, this.calibration);
  }

  /**
   * The model ready to run, made when first asked for: without data it need not fit into memory.
   * @throws UnsupportedError naming everything in it that cannot be run
   */
  get session(): Session {
    if (this.unsupported)
      throw new UnsupportedError(`the model cannot be run, which data needs: ${this.unsupported.message}`);
    this.running ??= new Session(this.model, this.wasm);
    return this.running;
  }

  /** Weights of all layers together. */
  get quantizable(): number {
    return this.layers.reduce((n, l) => n + l.params, 0);
  }

  /**
   * Samples of the calibration, those of them the cost table is measured on, and those that whole plans are judged by: others
   * where there are some to spare, so that a plan that fits the calibration's samples alone is not chosen. Undefined before
   * `calibrate`.
   */
  get calibrated(): { readonly samples: number; readonly measured: number; readonly judged: number } | undefined {
    if (!this.data || !this.joint) return undefined;
    return { samples: this.data.calibration.samples, measured: this.data.samples, judged: this.joint.samples };
  }

  /** Whether whole plans are judged by other samples. */
  get judgedApart(): boolean {
    return this.joint?.heldBack ?? false;
  }

  /**
   * Runs the model over the data in batches, keeping running statistics of every value and the Gram matrix of every layer's input.
   * Of five samples or more the last fifth is held back to judge whole plans by.
   * @param batches most batches to run; all of the data where absent
   * @throws DataError where the data does not fit the model, RangeError for a count of batches that is none
   */
  async calibrate(dataset: Dataset, batches?: number): Promise<Calibration> {
    if (batches !== undefined && !(Number.isSafeInteger(batches) && batches >= 1))
      throw new RangeError(`batches: expected a whole number >= 1, got ${batches}`);
    checkDataset(dataset, this.session.inputs);
    const losses = chooseLosses(this.model, dataset.columns?.has('labels') ?? false, this.options.loss ?? 'auto');
    const { output } = losses[0]!;
    const share = await shareSamples(this.session, dataset, output, this.options, batches, this.wasm.arena.limit);
    const { batch, limit, samples } = share;
    const before = this.known?.calibration;
    const calibration =
      before?.samples === limit
        ? before
        : await calibrate(this.wasm, this.session, this.layers, dataset, {
            batch,
            samples: limit,
            progress: (done, total) => this.progress('calibrating', done, total),
          });
    this.calibration = calibration;
    this.data = { dataset, calibration, losses, samples, batch };
    this.candidates = candidatesOf(this.wasm, this, this.calibration);
    this.costs = undefined;
    this.errors = new Map();
    this.unrounded = undefined;
    if (this.usesFacts) this.takeFacts();
    const damages = this.usesFacts ? this.known?.damages : undefined;
    this.joint = new JointMeasurement(this.context(), this.data, share.judged, damages);
    return calibration;
  }

  /** The spectra of all layers and the cost table; measured once. */
  async computeCurvature(): Promise<LayerCurvature[]> {
    await this.computeSpectra();
    const table = await this.costTable();
    return this.layers.map((layer, i) => ({
      layer,
      spectrum: this.spectra.get(layer.weight)!,
      lossCurvature: this.lossCurvature(layer, table.layers[i]!.choices[0]!.bits),
    }));
  }

  /** The spectra alone: singular values of every layer. */
  async computeSpectra(): Promise<ReadonlyMap<string, LayerSpectrum>> {
    if (this.layers.some((layer) => !this.spectra.has(layer.weight))) this.running?.rest();
    const initializers = new Map(this.model.graph.initializers.map((t) => [t.name, t]));
    for (const [i, layer] of this.layers.entries()) {
      if (this.spectra.has(layer.weight)) continue;
      this.progress('singular values', i, this.layers.length);
      const stored = storedByRows(layer) ? initializers.get(layer.weight) : undefined;
      const rows = () => stored?.floatBytes?.() ?? this.candidates.float(layer);
      const before = this.known?.spectra.get(layer.weight);
      this.spectra.set(
        layer.weight,
        before
          ? new LayerSpectrum(this.wasm, layer, rows, before.sigmaMax, before.exact, before.by, before.condition)
          : layerSpectrum(this.wasm, layer, rows),
      );
      if (!before) await breath();
    }
    return this.spectra;
  }

  /** Layer x width -> damage and bytes, by the metric chosen. */
  async costTable(): Promise<CostTable> {
    this.costs ??= await this.measureTable(this.options.metric ?? (this.data ? 'kl' : 'spectral'), this.options);
    return this.costs;
  }

  /** A cost table by any registered metric, measured anew. @throws UsageError for a metric there is not, or one that lacks data */
  tableOf(name: string): Promise<CostTable> {
    return this.measureTable(name, {});
  }

  private async measureTable(name: string, { checkpoint }: Pick<AnalyzerOptions, 'checkpoint'>): Promise<CostTable> {
    const metric = metricNamed(name);
    if (metric.name === 'spectral') await this.computeSpectra();
    const table = await metric.measure(this.context(checkpoint));
    const layers = table.layers.map((l) => ({
      ...l,
      choices: [...l.choices, inFloat(this.layers.find((own) => own.weight === l.weight)!)],
    }));
    return { ...table, layers };
  }

  /**
   * Whether any plan can meet a budget: bytes are known before anything is measured.
   * @throws UsageError naming the range that can be met
   */
  checkBudget(budget: Budget, options: Pick<OptimizerOptions, 'pins' | 'ties'> = {}): void {
    const table = unmeasured(this.layers, this.widths, (layer, bits) => this.candidates.bytes(layer, bits));
    new BitWidthOptimizer(table, { ...options, widths: this.widths }).optimize(budget, 'greedy');
  }

  /**
   * Takes a cost table measured before, so that `costTable` need not run.
   * @throws UsageError where it is about other layers, or counts other bytes than this format and granularity take
   */
  useCostTable(table: CostTable): void {
    checkTable(table, this.layers, (layer, bits) => this.candidates.bytes(layer, bits), this.format.name);
    this.costs = table;
  }

  /** Damage of the layer at that width / squared norm of its weight error. */
  lossCurvature(layer: Layer, bits: number): number | null {
    const choice = this.costs?.layers.find((l) => l.weight === layer.weight)?.choices.find((c) => c.bits === bits);
    if (!choice || !this.costs || this.costs.unit === 'proxy' || bits === 32) return null;
    const square = squaredDistance(this.candidates.float(layer), this.candidates.values(layer, bits));
    return square > 0 ? choice.damage / square : 0;
  }

  /**
   * Widths of least damage whose codes, scales and zero points average at most that many bits a weight.
   * @throws UsageError outside the range the widths allow; RangeError before `computeCurvature`
   */
  optimizeBitAllocation(averageBits: number, strategy: StrategyName = 'best'): Plan {
    return this.optimizer().optimize({ averageBits }, strategy);
  }

  /** The smallest plan whose predicted damage is at most eps. @throws TargetError where the widest widths do not reach it */
  allocateByAccuracy(eps: number = this.targetAccuracy): Plan {
    return this.optimizer().minimumFor(eps);
  }

  /** An optimizer over a cost table, this analyzer's own by default; its plans have this analyzer's widths, granularity, symmetry and format. */
  optimizer(
    options: Omit<OptimizerOptions, 'widths'> = {},
    table: CostTable | undefined = this.costs,
  ): BitWidthOptimizer {
    if (!table) throw new RangeError('call computeCurvature() before an allocation is asked for');
    const { granularity, asymmetricBits } = this.rounding;
    return new BitWidthOptimizer(table, {
      widths: this.widths,
      granularity,
      symmetric: (bits) => !asymmetricBits.includes(bits),
      format: (weight, bits) => formatName(this, weight, bits),
      ...options,
    });
  }

  /**
   * Theorem 4.7 for every layer: the layer maps (weight error relative to the operator, input) bilinearly, its curvature is
   * sigma_max, its domain the calibrated inputs.
   */
  getPrecisionRequirements(): PrecisionRequirement[] {
    return this.layers.map((layer) => {
      const spectrum = this.spectra.get(layer.weight);
      if (!spectrum) throw new RangeError('call computeCurvature() before precision requirements are asked for');
      const shape = this.calibration?.shapes.get(layer.input);
      const rows = () => this.candidates.float(layer);
      return requirementOf(this.wasm, layer, spectrum, this.inputNorm(layer), this.targetAccuracy, rows, shape);
    });
  }

  /** Theorem 3.4: a bound on the l2 error of one sample's output, and every layer's share of it. */
  async estimateTotalError(plan: Pick<Plan, 'layers'>): Promise<ErrorEstimate> {
    if (!this.calibration) throw new RangeError('call calibrate() before the total error is asked for');
    const { estimateError } = await import('./verify/estimate.ts');
    return estimateError(this.wasm, this.model, this.layers, this.calibration, this.candidates, plan);
  }

  /** What whole models are run and judged with; undefined before `calibrate`. */
  get measuring(): { readonly data: MetricData; readonly joint: JointMeasurement } | undefined {
    return this.data && this.joint && { data: this.data, joint: this.joint };
  }

  /** Damage with all layers quantized together, measured on the calibration data. @throws RangeError before `calibrate` */
  async measure(plan: Pick<Plan, 'layers'>): Promise<number> {
    if (!this.joint) throw new RangeError('call calibrate() before an allocation is measured');
    return this.joint.damage(widthsIn(plan));
  }

  /** The same on the first of these samples alone, which `measure` goes on from: to tell what is much worse than another. */
  async measureFirst(plan: Pick<Plan, 'layers'>): Promise<{ readonly damage: number; readonly samples: number }> {
    if (!this.joint) throw new RangeError('call calibrate() before an allocation is measured');
    return { damage: await this.joint.damageOnFirst(widthsIn(plan)), samples: this.joint.firstSamples };
  }

  /** dw H dw' of each row of the layer at that width, 0 for rows left out, on the calibration data. @throws RangeError before `calibrate` */
  rowErrors(layer: Layer, bits: number): Float64Array {
    if (!this.data) throw new RangeError('call calibrate() before errors of rows are asked for');
    const before = this.errors.get(layer.weight)?.get(bits);
    if (before) return before;
    const errors =
      bits === 0
        ? leftOutErrorRows(this.context(), this.data, layer)
        : localErrorRows(this.context(), this.data, layer, this.candidates.values(layer, bits));
    this.errors.set(layer.weight, (this.errors.get(layer.weight) ?? new Map()).set(bits, errors));
    return errors;
  }

  /**
   * Damage of each row of every layer / its error at the layer's output (`rowErrors`), by weight name.
   * @throws NoGradientError naming what gradients cannot pass, RangeError before `calibrate`
   */
  async rowGains(): Promise<ReadonlyMap<string, Float64Array>> {
    if (!this.data) throw new RangeError('call calibrate() before gains of rows are asked for');
    return rowGains(this.context(), this.data);
  }

  /** The weights that a plan puts in the place of the initializers, by name: for `Session.run`. */
  weightsOf(plan: Pick<Plan, 'layers'>): Map<string, Tensor> {
    return weightsOf(this, widthsIn(plan));
  }

  /**
   * The plan's weights in codes, layer after layer on the inputs that the layers before give once quantized: less damage than each
   * layer by itself. By weight name; layers at 32 bits are not among them. @throws RangeError before `calibrate`
   */
  async sequential(plan: Pick<Plan, 'layers'>): Promise<ReadonlyMap<string, Coded>> {
    if (!this.data || !this.calibration)
      throw new RangeError('call calibrate() before a plan is quantized in sequence');
    const { dataset, batch, calibration } = this.data;
    const { coded, samples } = await sequentialPass(this.wasm, {
      model: this.model,
      layers: this.layers,
      plan,
      spec: this.rounding,
      float: (layer) => this.candidates.float(layer),
      bias: (layer, width) => this.candidates.bias(layer, width),
      gram: (layer) => calibration.layers.get(layer.weight)?.gram,
      dataset,
      batch,
      samples: calibration.samples,
      progress: (...p) => this.progress(...p),
    });
    this.shortened = samples < calibration.samples ? shortenedNote(samples, calibration.samples) : undefined;
    return coded;
  }

  /**
   * Damage of weights as they were written, measured on the calibration data.
   * @param initializers replacements of others, by name
   * @throws RangeError before `calibrate`
   */
  async measureWritten(quantized: QuantizedModel, initializers: Tuned['initializers'] = new Map()): Promise<number> {
    if (!this.joint) throw new RangeError('call calibrate() before an allocation is measured');
    return this.joint.measure(writtenWeights(quantized, initializers));
  }

  /**
   * Weights in codes, biases and norms trained towards the model's own outputs on the calibration data (`tune`).
   * @throws UnsupportedError naming what gradients cannot pass, DataError for too few samples, RangeError before `calibrate`
   */
  async tune(coded: TuneInput['coded'], steps: number, initializers?: Tuned['initializers']): Promise<Tuned> {
    const { tune } = await import('./tune/index.ts');
    return tune(this.wasm, { ...this.tunable(), coded, initializers, steps, seed: this.options.seed ?? 0 });
  }

  /** Whether `tune` can run, before what it starts from is there. @throws as it does */
  async checkTunable(): Promise<void> {
    const { checkTunable } = await import('./tune/index.ts');
    return checkTunable(this.wasm, this.tunable());
  }

  private tunable() {
    if (!this.data) throw new RangeError('call calibrate() before weights are tuned');
    const { dataset, batch, losses } = this.data;
    const { session, model, layers } = this;
    const { progress } = this.context();
    const { end, samples } = this.joint!;
    const heldOut = samples < end ? samples : undefined;
    return { session, model, layers, dataset, batch, losses, samples: end, heldOut, progress };
  }

  /** Layers whose codes are the nearest for want of anything better, and why: lines for a report. */
  get roundingNotes(): readonly string[] {
    const rounds = this.rounding.rounding !== 'nearest' && this.calibration;
    this.unrounded ??= rounds ? roundingNotes(this.wasm, this.layers, rounds) : [];
    return this.unrounded;
  }

  /** What a report has to say of how the calibration data was used, one line each. */
  get notes(): readonly string[] {
    const few = this.calibrated && !this.judgedApart ? [fewSamplesNote(this.calibrated.samples)] : [];
    return [...few, ...this.roundingNotes, ...(this.shortened === undefined ? [] : [this.shortened])];
  }

  /** Takes what was learnt before from the same model, data and settings: for `calibrate`, and coding, to go without. */
  useFacts(facts: Facts): void {
    this.known = facts;
  }

  /** Whether they were of use. */
  get usesFacts(): boolean {
    return this.calibration !== undefined && this.calibration.samples === this.known?.samples;
  }

  /** What was learnt so far that serves any budget; undefined before `calibrate`. */
  get facts(): Facts | undefined {
    const { calibration, candidates, errors: rowErrors, unrounded: notes, joint } = this;
    if (!calibration || !joint) return undefined;
    const spectra = new Map([...this.spectra].map(([weight, s]) => [weight, s.known]));
    const { samples } = calibration;
    return { samples, calibration, codes: candidates.whole(), rowErrors, spectra, notes, damages: joint.measured };
  }

  private takeFacts(): void {
    const { codes, rowErrors, notes } = this.known!;
    const layers = new Map(this.layers.map((l) => [l.weight, l]));
    for (const { weight, bits, slice } of codes) this.candidates.take(layers.get(weight)!, bits, slice);
    this.errors = new Map([...rowErrors].map(([weight, own]) => [weight, new Map(own)]));
    this.unrounded = notes;
  }

  /** Gram matrices by weight name, for a quantizer whose grids are to be the ones that were measured. */
  get grams(): Map<string, LayerGram> {
    return gramsOf(this.layers, this.calibration);
  }

  /**
   * Largest l2 norm of one input of the layer's operator on the calibration data: a row of what a matrix multiplies, a whole
   * sample of what a convolution runs over; null where it was not seen.
   */
  inputNorm(layer: Layer): number | null {
    const statistics = this.calibration?.values.get(layer.input);
    return (layer.opType.startsWith('Conv') ? statistics?.maxSampleNorm : statistics?.maxRowNorm) ?? null;
  }

  dispose(): void {
    this.running?.dispose();
  }

  private context(checkpoint?: Checkpoint): MetricContext {
    const { wasm, layers, candidates, widths, spectra, data } = this;
    const session = () => this.session;
    return {
      wasm,
      get session() {
        return session();
      },
      layers,
      candidates,
      widths,
      spectra,
      data,
      progress: (...p) => this.progress(...p),
      seed: this.options.seed ?? 0,
      checkpoint,
    };
  }

  /** Tells how far a stage is; throws once the job is cancelled. */
  progress(stage: string, done: number, total: number): void {
    this.options.progress?.(stage, done, total);
  }
}
