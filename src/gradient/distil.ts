import { type BatchStatistics, batchStatistics, Session } from '../graph/index.ts';
import { makeValueInfo, withGraph } from '../onnx/index.ts';
import type { Model } from '../onnx/model.ts';
import { sizeOf, type Tensor, tensor } from '../tensor.ts';
import type { Wasm } from '../wasm/wasm.ts';
import { backward } from './backward.ts';
import { breath } from '../progress.ts';

export interface DistilOptions {
  /** Steps of gradient descent, >= 1. Default 60. */
  readonly steps?: number | undefined;
  readonly progress?: ((done: number, total: number) => void) | undefined;
}

/** Inputs whose statistics came nearer to those the model remembers, or why there are none. */
export type Distilled =
  | {
      readonly ok: true;
      /** One for each batch. */
      readonly inputs: readonly Tensor[];
      /** How many BatchNormalization nodes had a say. */
      readonly nodes: number;
      /** The loss, averaged over batches. */
      readonly before: number;
      readonly after: number;
    }
  | { readonly ok: false; readonly obstacle: string };

const STEPS = 60;
/** Adam's first step, as a share of the input's own deviation; a third of it for the last third of the steps. */
const RATE = 0.1;
const [FIRST, SECOND] = [0.9, 0.99];
/** A variance counts as no smaller than this share of its layer's mean one: dead channels must not rule. */
const LEAST_VARIANCE = 1e-3;

/**
 * Moves drawn inputs until what they do inside the network has the statistics that its BatchNormalization nodes remember: gradient
 * descent (Adam: D. P. Kingma, J. Ba, 2015) on the inputs of the sum over nodes of the mean over channels of
 * ((mean - remembered mean)^2 + (deviation - remembered deviation)^2) / remembered variance, over each batch by itself
 * (Y. Cai et al., "ZeroQ: A Novel Zero Shot Quantization Framework", CVPR 2020, section 3.1).
 * @param model with its BatchNormalization nodes, not folded
 * @param input name of the float input to move
 * @param batches feeds of every input; statistics are over a batch, so each wants 8 samples or more
 */
export async function distil(
  wasm: Wasm,
  model: Model,
  input: string,
  batches: readonly Readonly<Record<string, Tensor>>[],
  options: DistilOptions = {},
): Promise<Distilled> {
  const { steps = STEPS, progress } = options;
  if (!Number.isSafeInteger(steps) || steps < 1)
    throw new RangeError(`steps: expected a whole number >= 1, got ${steps}`);
  const all = new Map(batchStatistics(model).map((s) => [s.value, s]));
  if (all.size === 0) return { ok: false, obstacle: 'no BatchNormalization node with statistics' };
  const outputs = [...all.keys()].map((value) => makeValueInfo(value, 'float', undefined));
  const session = new Session(withGraph(model, { outputs }), wasm);
  try {
    const inputs: Tensor[] = [];
    let [before, after] = [0, 0];
    for (const [b, feeds] of batches.entries()) {
      const descent = new Descent(feeds[input]!);
      for (let step = 0; step <= steps; step++) {
        const found = gradientOf(wasm, session, input, { ...feeds, [input]: descent.value }, [...all.values()]);
        if (typeof found === 'string') return { ok: false, obstacle: found };
        if (step === 0) before += found.loss;
        if (step === steps) after += found.loss;
        else descent.step(found.gradient, 3 * step < 2 * steps ? RATE : RATE / 3);
        progress?.(b * steps + step, batches.length * steps);
        await breath();
      }
      inputs.push(descent.value);
    }
    if (!(after < before)) return { ok: false, obstacle: `no step came nearer: ${before} to ${after}` };
    return { ok: true, inputs, nodes: all.size, before: before / batches.length, after: after / batches.length };
  } finally {
    session.dispose();
  }
}

/** The loss and its gradient in the input, or what gradients cannot pass. */
function gradientOf(
  wasm: Wasm,
  session: Session,
  input: string,
  feeds: Readonly<Record<string, Tensor>>,
  statistics: readonly BatchStatistics[],
): { loss: number; gradient: Float32Array } | string {
  const trace = session.trace(feeds);
  try {
    let loss = 0;
    const seeds = new Map<string, Float32Array>();
    for (const wanted of statistics) {
      const found = mismatch(session.value(trace, wanted.value), wanted);
      if (found === undefined) return `value "${wanted.value}" is not of ${wanted.mean.length} channels`;
      loss += found.loss;
      seeds.set(wanted.value, found.gradient);
    }
    const done = backward(wasm, session, trace, seeds, () => {}, { wanted: new Set([input]) });
    if (!done.ok) return done.obstacle;
    return { loss, gradient: done.gradients.get(input) ?? new Float32Array(feeds[input]!.data.length) };
  } finally {
    session.release(trace);
  }
}

/** One node's share of the loss, and its gradient in the value. */
function mismatch(
  { dims, data }: Tensor,
  { mean, variance }: BatchStatistics,
): { loss: number; gradient: Float32Array } | undefined {
  const channels = mean.length;
  const samples = dims[0]!;
  if (dims.length < 2 || dims[1] !== channels) return undefined;
  const inner = sizeOf(dims.slice(2));
  const count = samples * inner;
  const x = data as Float32Array;
  const gradient = new Float32Array(x.length);
  const floor = LEAST_VARIANCE * (variance.reduce((a, b) => a + b, 0) / channels);
  let loss = 0;
  for (let c = 0; c < channels; c++) {
    const wanted = Math.max(variance[c]!, floor);
    if (!(wanted > 0) || count === 0) continue;
    let sum = 0;
    let squares = 0;
    for (let s = 0; s < samples; s++)
      for (let i = (s * channels + c) * inner, end = i + inner; i < end; i++) {
        sum += x[i]!;
        squares += x[i]! * x[i]!;
      }
    const m = sum / count;
    const deviation = Math.sqrt(Math.max(squares / count - m * m, 1e-6 * wanted));
    const offMean = m - mean[c]!;
    const offDeviation = deviation - Math.sqrt(wanted);
    loss += (offMean * offMean + offDeviation * offDeviation) / (wanted * channels);
    const scale = 2 / (wanted * channels * count);
    const slope = offDeviation / deviation;
    for (let s = 0; s < samples; s++)
      for (let i = (s * channels + c) * inner, end = i + inner; i < end; i++)
        gradient[i] = scale * (offMean + slope * (x[i]! - m));
  }
  return { loss, gradient };
}

/** Adam on one tensor. */
class Descent {
  readonly value: Tensor;
  private readonly x: Float32Array;
  private readonly first: Float32Array;
  private readonly second: Float32Array;
  private readonly deviation: number;
  private left1 = 1;
  private left2 = 1;

  constructor(start: Tensor) {
    this.x = Float32Array.from(start.data as Float32Array);
    this.value = tensor('float', start.dims, this.x);
    this.first = new Float32Array(this.x.length);
    this.second = new Float32Array(this.x.length);
    let sum = 0;
    let squares = 0;
    for (const v of this.x) {
      sum += v;
      squares += v * v;
    }
    const mean = sum / this.x.length;
    this.deviation = Math.sqrt(Math.max(0, squares / this.x.length - mean * mean)) || 1;
  }

  step(gradient: Float32Array, rate: number): void {
    this.left1 *= FIRST;
    this.left2 *= SECOND;
    const size = rate * this.deviation;
    for (let i = 0; i < this.x.length; i++) {
      const g = gradient[i]!;
      const m = FIRST * this.first[i]! + (1 - FIRST) * g;
      const v = SECOND * this.second[i]! + (1 - SECOND) * g * g;
      this.first[i] = m;
      this.second[i] = v;
      const root = Math.sqrt(v / (1 - this.left2));
      if (root > 0) this.x[i] = this.x[i]! - (size * m) / ((1 - this.left1) * root);
    }
  }
}
