import type { Plan, PlanLayer } from '../allocate/types.ts';
import { ModelError, UsageError } from '../errors.ts';
import { findLayers, type Layer } from '../graph/index.ts';
import { type Coded, decode, encode, gramError, type GridSpec } from '../grid/index.ts';
import { decodeTo } from '../grid/coded.ts';
import { storedByRows, weightOfRows, weightRows } from '../grid/weight.ts';
import { withGraph, withIrVersion, withOpset, writeModel } from '../onnx/index.ts';
import type { Initializer, Model } from '../onnx/model.ts';
import { arrayOf, bitsOf, type Tensor } from '../tensor.ts';
import { allFinite } from '../wasm/matrix.ts';
import type { Wasm } from '../wasm/wasm.ts';
import { Surroundings } from './around.ts';
import { Builder } from './builder.ts';
import { type StoredBytes, totalBytes, type WeightFormat } from './format.ts';
import { FORMATS } from './formats.ts';
import { raiseOpset } from './opset.ts';
import { type HalfReport, type Rest, RESTS, withHalves } from './half.ts';
import { type LayerGram, type Rounding, ROUNDINGS } from './rounding.ts';
import { blankCodes, checkCoded } from './slices.ts';
import { withParts } from './homes.ts';
import { encodedBytes, Writer } from './writer.ts';

/** What a `PrecisionAwareQuantizer` may be told. */
export interface QuantizerOptions {
  /** How ranges are chosen; auto (the default): gram where a layer's Gram matrix is given, else mse. */
  readonly clip?: 'auto' | 'max' | 'mse' | 'gram';
  /** Type of scales where the format leaves a choice. */
  readonly scaleType?: 'float16' | 'float';
  /** What tensors that are not quantized are stored as: fp32 unless told. */
  readonly rest?: Rest | undefined;
  /** Further formats and roundings by name. */
  readonly formats?: Readonly<Record<string, WeightFormat>>;
  readonly roundings?: Readonly<Record<string, Rounding>>;
  /** Whether results keep the decoded weights (default true): as much memory as the original's. */
  readonly keepValues?: boolean;
  /** Called before each layer. What it throws ends the work. */
  readonly onLayer?: (done: number, total: number, name: string) => void;
}

/** What became of one layer of the plan. Errors are of the values as decoded against the original weights. */
export interface QuantizedLayer {
  readonly name: string;
  readonly weight: string;
  readonly opType: string;
  readonly params: number;
  /** Width of all rows, or of the widest. */
  readonly bits: number;
  /** A width for every row, where they differ. */
  readonly rowBits: readonly number[] | undefined;
  /** The grid as fitted, that of the widest rows where they differ; undefined for a layer left in float. */
  readonly grid: (GridSpec & { readonly scales: number }) | undefined;
  readonly rounding: string;
  readonly format: string;
  /** Codes, scales, zero points and the order of rows as written; the weight itself for a layer left in float. */
  readonly bytes: number;
  /** The same by part; undefined for a layer left in float. */
  readonly stored: StoredBytes | undefined;
  /** All that stands in the file for this weight: `bytes`, names, shapes and the nodes that decode it. */
  readonly fileBytes: number;
  readonly maxError: number;
  /** Mean squared error. */
  readonly mse: number;
  /** Squared error / squared norm of the weights; 0 where both are 0. */
  readonly relativeError: number;
  /** dw H dw' summed over rows, where a Gram matrix was given. */
  readonly gramError: number | undefined;
  /** The weight as the written model decodes it; empty where values are not kept. */
  readonly values: Tensor;
  /** The same in codes; undefined for a layer left in float, and where values are not kept. */
  readonly coded: Coded | undefined;
}

/** A model with a plan applied. */
export interface QuantizedModel {
  readonly model: Model;
  /** In the order of the plan. */
  readonly layers: readonly QuantizedLayer[];
  /** Bytes of what layers share: tables and constants. */
  readonly sharedBytes: number;
  /** Tensors stored as fp16; undefined where that was not asked for. */
  readonly halves: HalfReport | undefined;
}

interface Job {
  readonly plan: PlanLayer;
  readonly layer: Layer;
  readonly initializer: Initializer;
  readonly format: WeightFormat;
  /** A built-in one by its name. */
  readonly rounding: string | Rounding;
  /** What the layer's grid is to be like at a width. */
  readonly specOf: (bits: number) => GridSpec;
  readonly gram: LayerGram | undefined;
  /** Codes chosen elsewhere. */
  readonly coded: () => Coded | undefined;
}

/** Applies a plan to a model: the weights it names are replaced by codes, scales and the nodes that decode them. */
export class PrecisionAwareQuantizer {
  readonly #formats: Readonly<Record<string, WeightFormat>>;
  readonly #roundings: Readonly<Record<string, Rounding>>;
  #room = new Float32Array(0);

  constructor(
    readonly wasm: Wasm,
    readonly options: QuantizerOptions = {},
  ) {
    const { clip, scaleType, rest } = options;
    if (clip !== undefined && !['auto', 'max', 'mse', 'gram'].includes(clip))
      throw new RangeError(`clip: expected auto, max, mse or gram, found ${clip}`);
    if (scaleType !== undefined && !['float16', 'float'].includes(scaleType))
      throw new RangeError(`scaleType: expected float16 or float, found ${scaleType}`);
    if (rest !== undefined && !RESTS.includes(rest))
      throw new RangeError(`rest: expected ${RESTS.join(' or ')}, found ${rest}`);
    this.#formats = { ...FORMATS, ...options.formats };
    this.#roundings = { ...ROUNDINGS, ...options.roundings };
  }

  /**
   * The model with every layer of the plan at its width. Decoding nodes come before the graph's own; each weight keeps its
   * name as the value they make, decoded once however many nodes read it. A layer at 32 bits stays as it is. Where the format
   * needs a later opset, the model is raised to it if all its operators mean the same there.
   * @param grams E[x x'] by weight name
   * @param coded codes by weight name that are to be written as they are: their widths must be the plan's; asked for one layer at a
   *   time
   * @throws UsageError for a plan that does not fit the model, UnsupportedError for a model the format cannot be written in, ModelError for damaged weights
   */
  quantizeModel(
    model: Model,
    plan: Plan,
    grams: ReadonlyMap<string, LayerGram> = new Map(),
    coded: Pick<ReadonlyMap<string, Coded>, 'get'> = new Map(),
  ): QuantizedModel {
    const jobs = this.#jobs(model, plan, grams, coded);
    const active = jobs.filter((job) => job.plan.bits !== 32);
    const target = active.length > 0 || this.options.rest === 'fp16' ? prepared(model, active) : model;
    const builder = new Builder(target);
    const writer = new Writer(this.wasm, builder, new Surroundings(target), target.graph);
    const layers = jobs.map((job, i) => {
      this.options.onLayer?.(i, jobs.length, job.plan.name);
      return job.plan.bits === 32 ? untouched(job, this.options.keepValues !== false) : this.#quantize(job, writer);
    });
    const { model: written, report: halves } = this.#assembled(target, builder, writer, active);
    return {
      model: written,
      layers: layers.map((l) => {
        const own = writer.written.get(l.weight);
        return own ? { ...l, ...own, bytes: totalBytes(own.stored) } : l;
      }),
      sharedBytes: encodedBytes(builder.common()),
      halves,
    };
  }

  /** Bytes of the file that `quantizeModel` makes: they follow from the widths alone, so that no code has to be chosen. */
  fileBytes(model: Model, plan: Plan): number {
    const jobs = this.#jobs(model, plan, new Map(), new Map());
    const active = jobs.filter((job) => job.plan.bits !== 32);
    const target = active.length > 0 || this.options.rest === 'fp16' ? prepared(model, active) : model;
    const builder = new Builder(target);
    const writer = new Writer(this.wasm, builder, new Surroundings(target), target.graph);
    for (const { plan: p, layer, format, specOf } of active)
      writer.add(layer, format, blankCodes(layer.rows, layer.cols, p.rowBits ?? p.bits, specOf));
    return writeModel(this.#assembled(target, builder, writer, active).model).length;
  }

  #assembled(
    model: Model,
    builder: Builder,
    writer: Writer,
    jobs: readonly Job[],
  ): { readonly model: Model; readonly report: HalfReport | undefined } {
    writer.finish();
    const own = new Set(model.graph.initializers.map((t) => t.name));
    for (const { layer } of jobs) own.delete(layer.weight);
    const halved = this.options.rest === 'fp16' ? withHalves(this.wasm, model, builder, own) : undefined;
    if (jobs.length === 0 && !halved?.report.tensors) return { model, report: halved?.report };
    return { model: assembled(halved?.model ?? model, builder, writer, jobs), report: halved?.report };
  }

  #jobs(
    model: Model,
    plan: Plan,
    grams: ReadonlyMap<string, LayerGram>,
    coded: Pick<ReadonlyMap<string, Coded>, 'get'>,
  ): Job[] {
    const layers = new Map(findLayers(model).layers.map((l) => [l.weight, l]));
    const initializers = new Map(model.graph.initializers.map((t) => [t.name, t]));
    const seen = new Set<string>();
    const around = new Surroundings(model);
    return plan.layers.map((p) => {
      const layer = layers.get(p.weight);
      const initializer = initializers.get(p.weight);
      if (!layer || !initializer)
        throw new UsageError(`plan, layer '${p.name}': the model has no quantizable weight '${p.weight}'`);
      if (seen.has(p.weight)) throw new UsageError(`plan, layer '${p.name}': weight '${p.weight}' is listed twice`);
      seen.add(p.weight);
      const job = this.#job(p, layer, initializer, grams.get(p.weight), () => coded.get(p.weight));
      checkServed(job, around);
      return job;
    });
  }

  #job(
    p: PlanLayer,
    layer: Layer,
    initializer: Initializer,
    gram: LayerGram | undefined,
    coded: () => Coded | undefined,
  ): Job {
    const where = `plan, layer '${p.name}'`;
    const format = own(this.#formats, p.format);
    if (!format)
      throw new UsageError(
        `${where}: format: expected one of ${Object.keys(this.#formats).join(', ')}, found '${p.format}'`,
      );
    const rounding = own(this.#roundings, p.rounding);
    if (!rounding)
      throw new UsageError(
        `${where}: rounding: expected one of ${Object.keys(this.#roundings).join(', ')}, found '${p.rounding}'`,
      );
    if (p.bits !== 32 && !format.widths.includes(p.bits))
      throw new UsageError(
        `${where}: bits: format ${format.name} has widths ${format.widths.join(', ')} and 32, found ${p.bits}`,
      );
    const g = p.granularity;
    if (g !== 'tensor' && g !== 'channel' && !(Number.isSafeInteger(g) && g >= 1))
      throw new UsageError(`${where}: granularity: expected 'tensor', 'channel' or a block size >= 1, found ${g}`);
    if (typeof p.symmetric !== 'boolean')
      throw new UsageError(`${where}: symmetric: expected true or false, found ${p.symmetric}`);
    if (p.rowBits) checkRowBits(where, p, layer.rows, format);
    const { clip = 'auto', scaleType } = this.options;
    const specOf = (bits: number): GridSpec => ({
      bits,
      granularity: g,
      symmetric: p.asymmetricBits ? !p.asymmetricBits.includes(bits) : p.symmetric,
      clip: clip === 'auto' || clip === 'gram' ? (gram ? 'gram' : 'mse') : clip,
      scaleType: scaleType && format.scaleTypes.includes(scaleType) ? scaleType : format.scaleTypes[0]!,
    });
    const custom = this.options.roundings && Object.hasOwn(this.options.roundings, p.rounding);
    return { plan: p, layer, initializer, format, rounding: custom ? rounding : p.rounding, specOf, gram, coded };
  }

  /** The layer but for the bytes it takes, which are known once all are written. */
  #quantize(job: Job, writer: Writer): QuantizedLayer {
    const { wasm } = this;
    const { plan, layer, format, rounding, specOf, gram } = job;
    const { rows, cols } = layer;
    const w = this.#weights(job);
    if (!allFinite(w))
      throw new ModelError(
        `weight '${layer.weight}': expected finite numbers, found ${w.find((v) => !Number.isFinite(v))}; exclude this layer`,
      );
    const coded = job.coded() ?? encode(wasm, w, rows, cols, plan.rowBits ?? plan.bits, specOf, rounding, gram);
    checkCoded(coded, rows, cols);
    checkWidths(plan, coded);
    const keep = this.options.keepValues !== false;
    const values = keep || gram ? decode(wasm, coded) : undefined;
    writer.add(layer, format, coded);
    return {
      ...described(plan, layer),
      grid: { ...specOf(plan.bits), scales: coded.reduce((n, slice) => n + slice.grid.scales.length, 0) },
      bytes: 0,
      stored: undefined,
      fileBytes: 0,
      ...errors(wasm, w, (to) => (values ? wasm.arena.put(to, values) : decodeTo(wasm, coded, to))),
      gramError: gram && gramError(wasm, w, values!, rows, cols, gram.gram, gram.groups),
      values: keep ? weightOfRows(wasm, layer, values!) : dropped(layer),
      coded: keep ? coded : undefined,
    };
  }

  /** The weight in row form. Where nothing can keep it, all share one room: no copy a layer for the garbage collector. */
  #weights({ layer, initializer, rounding }: Job): Float32Array {
    const shared = typeof rounding === 'string' && storedByRows(layer);
    const bytes = shared ? initializer.floatBytes?.() : undefined;
    if (!bytes) return weightRows(this.wasm, layer, initializer.tensor());
    if (this.#room.byteLength < bytes.length) this.#room = new Float32Array(bytes.length / 4);
    new Uint8Array(this.#room.buffer).set(bytes);
    return this.#room.subarray(0, bytes.length / 4);
  }
}

/** @throws UsageError where a format does not serve a layer */
function checkServed({ plan, layer, format, specOf }: Job, around: Surroundings): void {
  if (plan.bits === 32) return;
  const reason = format.refuses?.(layer, specOf(plan.bits), around);
  if (reason !== undefined)
    throw new UsageError(`plan, layer '${plan.name}': format ${format.name}: ${reason}; use format dense`);
}

/** @throws UsageError for a width for every row that layer and format cannot have */
function checkRowBits(
  where: string,
  { bits, rowBits, granularity }: PlanLayer,
  rows: number,
  format: WeightFormat,
): void {
  const fail = (expected: string, found: unknown): never => {
    throw new UsageError(`${where}: rowBits: expected ${expected}, found ${found}`);
  };
  if (rowBits!.length !== rows) fail(`a width for each of the ${rows} rows`, rowBits!.length);
  const bad = rowBits!.find((b) => b > 8 || (b !== 0 && !format.widths.includes(b)));
  if (bad !== undefined) fail(`0 or widths of format ${format.name} up to 8`, bad);
  if (rowBits!.reduce((a, b) => Math.max(a, b)) !== bits) fail(`${bits} bits, the layer's, as the widest`, rowBits);
  if (rowBits!.every((b) => b === bits)) return;
  if (!format.mixedBytes) fail(`one width: format ${format.name} has no other; use format dense`, 'several');
  if (granularity === 'tensor') fail('one width where a tensor has one scale', 'several');
}

/** @throws UsageError where the codes have other widths than the plan */
function checkWidths(plan: PlanLayer, coded: Coded): void {
  for (const { rows, grid } of coded) {
    const wanted = plan.rowBits ?? [];
    const fits = rows
      ? rows.every((r) => (wanted[r] ?? plan.bits) === grid.bits)
      : wanted.every((b) => b === grid.bits);
    if (!fits || (!plan.rowBits && grid.bits !== plan.bits))
      throw new UsageError(`plan, layer '${plan.name}': expected codes of the plan's widths, found ${grid.bits} bits`);
  }
}

function described(plan: PlanLayer, layer: Layer) {
  const { bits, rowBits, rounding, format } = plan;
  const { weight, opType, params } = layer;
  return { name: plan.name, weight, opType, params, bits, rowBits, rounding, format };
}

/** In the place of values that were not kept: no elements. */
function dropped({ dtype }: Layer): Tensor {
  return { dtype, dims: [0], data: new (arrayOf(dtype))(0) };
}

function untouched({ plan, layer, initializer, gram }: Job, keep: boolean): QuantizedLayer {
  return {
    ...described(plan, layer),
    grid: undefined,
    bytes: (layer.params * bitsOf(layer.dtype)) / 8,
    stored: undefined,
    fileBytes: encodedBytes({ nodes: [], initializers: [initializer] }),
    maxError: 0,
    mse: 0,
    relativeError: 0,
    gramError: gram && 0,
    values: keep ? initializer.tensor() : dropped(layer),
    coded: undefined,
  };
}

function own<T>(table: Readonly<Record<string, T>>, key: string): T | undefined {
  return Object.hasOwn(table, key) ? table[key] : undefined;
}

/** @param decoded writes what stands in the place of w to that address */
function errors(wasm: Wasm, w: Float32Array, decoded: (to: number) => void) {
  const { k, arena } = wasm;
  const n = w.length;
  return arena.scope((alloc) => {
    const a = alloc(n * 4);
    const b = alloc(n * 4);
    const out = alloc(8);
    arena.put(a, w);
    decoded(b);
    k.squared_distance(a, b, n, out);
    const squared = arena.f64(out, 1)[0]!;
    k.sum_squares(a, n, out);
    const norm = arena.f64(out, 1)[0]!;
    k.sub(a, b, a, n);
    k.min_max(a, n, out);
    const [least, most] = arena.f32(out, 2);
    return {
      maxError: Math.max(Math.abs(least!), Math.abs(most!)),
      mse: squared / n,
      relativeError: squared === 0 ? 0 : squared / norm,
    };
  });
}

/** The model at an opset every job can be written in. */
function prepared(model: Model, jobs: readonly Job[]): Model {
  let target = model;
  for (const { plan, format, specOf } of jobs)
    target = raiseOpset(
      target,
      format.opset(specOf(plan.bits)),
      `layer '${plan.name}' as ${format.name} at ${plan.bits} bits`,
    );
  for (const { format } of jobs) if (format.replace) target = withOpset(target, format.domain, 1);
  return withoutInitializerInputs(target);
}

/**
 * Below IR version 4 every initializer must be listed among the graph's inputs; from 4 on one that is listed may be
 * overridden by the caller. Old models are brought to 4 with none listed, which keeps them constants.
 */
function withoutInitializerInputs(model: Model): Model {
  if (model.irVersion >= 4) return model;
  const names = new Set(model.graph.initializers.map((t) => t.name));
  return withIrVersion(withGraph(model, { inputs: model.graph.inputs.filter((v) => !names.has(v.name)) }), 4);
}

function assembled(model: Model, builder: Builder, writer: Writer, jobs: readonly Job[]): Model {
  const parts = [builder.common(), ...writer.parts.filter((p) => !p.home)];
  const { graph } = model;
  const gone = new Set(jobs.map((job) => job.layer.weight));
  return withGraph(model, {
    nodes: [
      ...parts.flatMap((p) => p.nodes),
      ...withParts(
        graph.nodes.flatMap((n) => writer.replaced.get(n) ?? [n]),
        writer.parts,
      ),
    ],
    initializers: [...graph.initializers.filter((t) => !gone.has(t.name)), ...parts.flatMap((p) => p.initializers)],
    inputs: graph.inputs.filter((v) => !gone.has(v.name)),
  });
}
