/** Whether a stock runtime makes of a written file what Kappa's executor makes of it: the comparison, its bounds, plain results. */
import { fromHalf } from '../grid/index.ts';
import type { Graph, Model, Node } from '../onnx/model.ts';
import type { Target } from '../quantize/targets.ts';
import type { Tensor } from '../tensor.ts';
import type { Wasm } from '../wasm/wasm.ts';

export const RUNTIMES = ['onnxruntime-web', 'onnxruntime-node'] as const;
/** A stock runtime that written files are run in. */
export type RuntimeName = (typeof RUNTIMES)[number];

/** The runtimes that a file for that target must agree in: for WebGPU the same package stands in, on the processor. */
export function runtimesFor(target: Target): readonly RuntimeName[] {
  if (target === 'any') return RUNTIMES;
  return target === 'node' ? ['onnxruntime-node'] : ['onnxruntime-web'];
}

/** Largest difference of an output, relative to its largest magnitude, that rounding of float arithmetic is let make. */
export const FLOAT_BOUND = 1e-4;
/**
 * The same where the file rounds activations to integers: two engines whose sums differ in the last place may round a value near
 * the middle of two codes to different ones, and a step of 8 bits is 1/255 of a range; the next layers pass it on.
 */
export const INTEGER_BOUND = 2e-2;
/** Times the difference that the two engines have on the original which they may have on the written file. */
const OF_ORIGINAL = 4;
/** Largest share of elements of an integer or masked output that may differ: a tie decided the other way. */
export const CHANGED_BOUND = 1e-2;

/** Times a runtime took, in milliseconds of processor time, medians: the written file's, the original's, and their ratio. */
export interface RuntimeTimes {
  readonly written: number;
  readonly original: number;
  /** Speed of the written file relative to the original's: above 1 it is faster. */
  readonly speed: number;
}

/** Memory a runtime needed to load a file and run it once, in bytes, beyond what it needs by itself. */
export interface RuntimeMemory {
  readonly written: number;
  readonly original: number;
}

/** What one runtime did with the written file. */
export interface RuntimeResult {
  readonly runtime: RuntimeName;
  readonly version: string;
  /**
   * `agrees` within `bound`; `differs` by more; `refused`: it does not load or run the written file, though it does the original;
   * `skipped`: nothing could be said, for the reason given.
   */
  readonly status: 'agrees' | 'differs' | 'refused' | 'skipped';
  readonly reason: string | null;
  /** Whether the file was written for this runtime, so that anything but agreement is an error. */
  readonly required: boolean;
  /** Largest difference between the runtime and Kappa's executor on the written file; null where it was not compared. */
  readonly difference: number | null;
  readonly bound: number;
  /** The same on the original, and for the written file with the runtime's default options where these change its arithmetic. */
  readonly originalDifference: number | null;
  readonly defaultDifference: number | null;
  readonly load: RuntimeTimes | null;
  /** One sample at once. */
  readonly run: RuntimeTimes | null;
  readonly memory: RuntimeMemory | null;
}

/** What a written file did in stock runtimes, beside its original. */
export interface VerificationReport {
  readonly samples: number;
  /** Where the samples come from. */
  readonly from: 'held-out data' | 'calibration data' | 'drawn inputs' | 'nothing';
  /** What else is to be known: why nothing was compared, say. */
  readonly note: string | null;
  readonly runtimes: readonly RuntimeResult[];
}

export type Values = Readonly<Record<string, Tensor>>;

/** How far two engines' outputs on some samples are apart. */
export interface OutputDifference {
  /** Of float outputs: largest |a - b| over the largest magnitude of that output on all samples; of probabilities over 1. */
  readonly relative: number;
  /** Largest share of elements that differ: of all other outputs, and of such as only one engine made 0 by a comparison. */
  readonly changed: number;
  /** The output that differs most, and an output of another type or shape. */
  readonly output: string | null;
  readonly mismatch: string | null;
}

const FLOATS: readonly string[] = ['float', 'double', 'float16', 'bfloat16'];

/** Operators that pass their first input's values on. */
const PASSING = /^(Identity|Reshape|Squeeze|Unsqueeze|Flatten|Transpose|Cast|Slice|Gather)$/;

/** What is known of an output's values. */
export interface OutputNature {
  /** The least that differences are relative to: 1 for probabilities; else 0. */
  readonly range: number;
  /** Whether a decision makes some of its values exactly 0. */
  readonly masked: boolean;
}

/**
 * What the operators that make an output say of it. Of probabilities, and products of such, engines compute so many places after the
 * point, so that a model that is sure of "no" says 1e-6 or 1.01e-6. Where values are kept or made 0 by a comparison, being a local
 * maximum, say, engines may decide a tie differently.
 */
export function naturesOf({ graph }: Model): ReadonlyMap<string, OutputNature> {
  const nature = (name: string) => ({ range: isProbability(graph, name) ? 1 : 0, masked: isMasked(graph, name) });
  return new Map(graph.outputs.map(({ name }) => [name, nature(name)]));
}

const makersOf = ({ nodes }: Graph) => new Map(nodes.flatMap((node) => node.outputs.map((o) => [o, node] as const)));

/** Operators that make booleans, which Cast makes 0 or 1 of. */
const DECIDING = /^(Equal|Greater(OrEqual)?|Less(OrEqual)?|Not|And|Or|Xor)$/;

/** @param outer what makes the values of the graphs around this one */
function isProbability(graph: Graph, name: string, outer: ReadonlyMap<string, Node> = new Map(), depth = 0): boolean {
  const makers = new Map([...outer, ...makersOf(graph)]);
  let value = name;
  for (let step = 0; step < 16 && depth < 8; step++) {
    const maker = makers.get(value);
    if (!maker) return false;
    if (/^(Hard)?Sigmoid$|^Softmax$/.test(maker.opType)) return true;
    if (maker.opType === 'If') {
      const branches = [...maker.attributes.values()].flatMap((a) => (a.type === 'graph' ? [a.value] : []));
      const at = maker.outputs.indexOf(value);
      return branches.every((branch) => isProbability(branch, branch.outputs[at]?.name ?? '', makers, depth + 1));
    }
    if (maker.opType === 'Mul') return maker.inputs.every((input) => isProbability(graph, input, outer, depth + 1));
    if (!PASSING.test(maker.opType)) return DECIDING.test(maker.opType);
    value = maker.inputs[0] ?? '';
  }
  return false;
}

/** Whether a value is a product one of whose factors a comparison made. */
function isMasked(graph: Graph, name: string): boolean {
  const makers = makersOf(graph);
  const origin = (value: string): Node | undefined => {
    let maker = makers.get(value);
    for (let step = 0; step < 16 && maker && PASSING.test(maker.opType); step++)
      maker = makers.get(maker.inputs[0] ?? '');
    return maker;
  };
  const product = origin(name);
  return product?.opType === 'Mul' && product.inputs.some((input) => DECIDING.test(origin(input)?.opType ?? ''));
}

/**
 * Compares what two engines made of the same samples, output by output. NaN equals NaN, an infinity itself.
 * A value that one engine keeps and the other masks counts as changed, not as an error.
 * @param natures what is known of the outputs
 */
export function differenceOf(
  wasm: Wasm,
  ours: readonly Values[],
  theirs: readonly Values[],
  natures: ReadonlyMap<string, OutputNature> = new Map(),
): OutputDifference {
  let found: OutputDifference = { relative: 0, changed: 0, output: null, mismatch: null };
  for (const name of Object.keys(ours[0] ?? {})) {
    const { range, masked } = natures.get(name) ?? { range: 0, masked: false };
    let [error, magnitude, differing, decided, count] = [0, range, 0, 0, 0];
    let floating = true;
    for (const [i, values] of ours.entries()) {
      const a = values[name]!;
      const b = theirs[i]?.[name];
      const mismatch = mismatchOf(name, a, b);
      if (mismatch !== null) return { relative: Number.MAX_VALUE, changed: 1, output: name, mismatch };
      floating = FLOATS.includes(a.dtype);
      const [x, y] = [numbers(wasm, a), numbers(wasm, b!)];
      count += x.length;
      for (let j = 0; j < x.length; j++) {
        const [p, q] = [Number(x[j]!), Number(y[j]!)];
        if (Number.isFinite(p)) magnitude = Math.max(magnitude, Math.abs(p));
        if (p === q || (Number.isNaN(p) && Number.isNaN(q))) continue;
        differing++;
        if (masked && (p === 0 || q === 0)) {
          decided++;
          continue;
        }
        const d = Math.abs(p - q);
        error = Math.max(error, Number.isFinite(d) ? d : Number.MAX_VALUE);
      }
    }
    if (differing === 0) continue;
    const relative = floating ? Math.min(error / (magnitude || 1), Number.MAX_VALUE) : 0;
    const share = (floating ? decided : differing) / count;
    const most = relative > found.relative || share > found.changed;
    found = {
      relative: Math.max(found.relative, relative),
      changed: Math.max(found.changed, share),
      output: most ? name : found.output,
      mismatch: null,
    };
  }
  return found;
}

function mismatchOf(name: string, a: Tensor, b: Tensor | undefined): string | null {
  const shape = (t: Tensor) => `${t.dtype} [${t.dims}]`;
  if (b === undefined) return `no output '${name}'`;
  if (a.dtype === b.dtype && a.dims.join() === b.dims.join()) return null;
  return `output '${name}' is ${shape(b)}, expected ${shape(a)}`;
}

function numbers(wasm: Wasm, t: Tensor): ArrayLike<number | bigint> {
  if (t.dtype === 'float16') return fromHalf(wasm, t.data as Uint16Array);
  if (t.dtype !== 'bfloat16') return t.data;
  return new Float32Array(Uint32Array.from(t.data as Uint16Array, (v) => v << 16).buffer);
}

const ROUNDING = /^(Dynamic)?QuantizeLinear$|^QLinear|^MatMulInteger|^ConvInteger$|^DynamicQuantize/;

/** Whether a model rounds activations to integers as it runs. */
export function roundsActivations(model: Model): boolean {
  const within = ({ nodes }: Pick<Graph, 'nodes'>): boolean =>
    nodes.some(
      (node) =>
        ROUNDING.test(node.opType) || [...node.attributes.values()].some((a) => a.type === 'graph' && within(a.value)),
    );
  return within(model.graph) || model.functions.some(within);
}

/**
 * Largest difference allowed on the written file. Of one that rounds activations, engines may differ by as much as rounding itself
 * changes the output: codes that flip lead to another draw of the same rounding error. Neither excuses more than four times the bound.
 * @param original the difference the engines have on the original, where known
 * @param loss the difference between original and written file in Kappa's executor, where known
 */
export function boundOf(written: Model, original: number | null, loss: number | null = null): number {
  const rounds = roundsActivations(written);
  const bound = rounds ? INTEGER_BOUND : FLOAT_BOUND;
  return Math.max(
    bound,
    Math.min(Math.max(OF_ORIGINAL * (original ?? 0), rounds ? (loss ?? 0) : 0), OF_ORIGINAL * bound),
  );
}

/** What is wrong with a difference, or null. */
export function objectionTo({ relative, changed, output, mismatch }: OutputDifference, bound: number): string | null {
  if (mismatch !== null) return mismatch;
  if (relative > bound)
    return `output '${output}' differs by ${relative.toExponential(1)} of its largest magnitude, expected at most ${bound.toExponential(0)}`;
  if (changed > CHANGED_BOUND) return `${(100 * changed).toFixed(1)} % of the elements of output '${output}' differ`;
  return null;
}

/** Times of the two files. @throws RangeError for no times, or times that are not above 0 */
export function timesOf(written: readonly number[], original: readonly number[]): RuntimeTimes {
  const [w, o] = [median(written), median(original)];
  if (!(w > 0 && o > 0)) throw new RangeError(`times: expected numbers above 0, found ${w} and ${o}`);
  return { written: w, original: o, speed: o / w };
}

/** @throws RangeError for no values, or for one that is not a number */
export function median(values: readonly number[]): number {
  if (values.length === 0 || values.some((v) => !Number.isFinite(v)))
    throw new RangeError(`median: expected finite numbers, found [${values}]`);
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** The first runtime that a file was written for and does not do with it what it should. */
export function failureOf({ runtimes }: VerificationReport): RuntimeResult | undefined {
  return runtimes.find((r) => r.required && (r.status === 'differs' || r.status === 'refused'));
}
