import { type BatchStatistics, batchStatistics, usesOf } from '../../graph/index.ts';
import type { Model, Node } from '../../onnx/model.ts';
import { sizeOf, type Tensor } from '../../tensor.ts';
import type { Texture } from './draws.ts';

/** How an input is to be drawn. */
export interface Moments {
  readonly texture: Texture;
  /** Of every channel; one for all where channels are not told apart. */
  readonly means: readonly number[];
  readonly deviation: number;
}

/** Operators that are affine in their first input, whatever their others hold, as long as that is constant. */
const AFFINE = ['Identity', 'Cast', 'Transpose', 'Reshape', 'Squeeze', 'Unsqueeze', 'Flatten', 'Pad', 'Slice'];
const WEIGHTED = ['Conv', 'ConvTranspose', 'Gemm', 'MatMul', 'Add', 'Sub', 'Mul', 'Div', 'AveragePool'];
const DEEP = 64;

/**
 * What the first BatchNormalization behind an input says of it: nothing but affine operators lies between.
 * @returns undefined where there is none, or its statistics are no constants
 */
export function targetOf(model: Model, input: string): BatchStatistics | undefined {
  const statistics = new Map(batchStatistics(model).map((s) => [s.value, s]));
  const { readers } = usesOf(model.graph);
  const constants = constantValues(model);
  const values = [input];
  for (let i = 0; i < values.length && i < DEEP; i++) {
    const value = values[i]!;
    const found = statistics.get(value);
    if (found !== undefined) return found;
    for (const node of readers.get(value) ?? [])
      if (node.domain === '' && isAffine(node, value, constants) && !values.includes(node.outputs[0]!))
        values.push(node.outputs[0]!);
  }
  return undefined;
}

function isAffine(node: Node, value: string, constants: ReadonlySet<string>): boolean {
  const others = node.inputs.filter((v) => v !== '' && v !== value);
  if (!others.every((v) => constants.has(v)) || node.inputs.filter((v) => v === value).length !== 1) return false;
  if (AFFINE.includes(node.opType)) return node.inputs[0] === value;
  if (!WEIGHTED.includes(node.opType)) return false;
  return node.inputs[0] === value || ['Add', 'Sub', 'Mul', 'MatMul'].includes(node.opType);
}

/** Names of the values that no input changes. */
function constantValues(model: Model): Set<string> {
  const constants = new Set(model.graph.initializers.map((i) => i.name));
  for (const node of model.graph.nodes)
    if (node.inputs.every((v) => v === '' || constants.has(v))) for (const o of node.outputs) constants.add(o);
  return constants;
}

/** A channel of variance 0 stands for no more than this share of the mean one: it cannot be met. */
const LEAST_VARIANCE = 1e-3;
/** Weight of keeping means near 0, as a share of the fit's own scale: channels that no filter sees stay there. */
const RIDGE = 1e-3;

/** What to measure of the model: the value's channels under an input, as sums. */
export interface Probe {
  /** The input with every channel c at levels[c]. */
  flat(levels: readonly number[]): Tensor;
  /** Several inputs of that texture, mean 0, variance 1. */
  textured(texture: Texture): readonly Tensor[];
}

/**
 * Mean of every channel and one deviation, so that the target's channels come out with their means and variances as nearly as
 * can be: means by weighted least squares, the texture and the deviation by the least error of variances relative to the
 * target's. The value is affine in the input, so a run per channel and a few per texture tell how it answers.
 * @param run what the value is for an input
 * @param channels how many channels of the input are told apart
 * @returns undefined where the input does not move the value
 */
export function fitMoments(
  target: BatchStatistics,
  channels: number,
  textures: readonly Texture[],
  probe: Probe,
  run: (input: Tensor) => Tensor,
): Moments | undefined {
  const floor = LEAST_VARIANCE * (target.variance.reduce((a, b) => a + b, 0) / target.variance.length);
  const wanted = target.variance.map((v) => Math.max(v, floor));
  if (!(floor > 0)) return undefined;
  const nothing = Array.from({ length: channels }, () => 0);
  const still = channelMoments([run(probe.flat(nothing))], target);
  if (still === undefined) return undefined;
  const answers = nothing.map((_, c) => {
    const levels = [...nothing];
    levels[c] = 1;
    return channelMoments([run(probe.flat(levels))], target)!.mean.map((m, i) => m - still.mean[i]!);
  });
  const missing = target.mean.map((m, i) => m - still.mean[i]!);
  const means = leastSquares(answers, missing, wanted);
  let best: { texture: Texture; square: number; error: number } | undefined;
  for (const texture of textures) {
    const found = channelMoments(probe.textured(texture).map(run), target)!.variance;
    let top = 0;
    let bottom = 0;
    for (let i = 0; i < wanted.length; i++) {
      const ratio = found[i]! / wanted[i]!;
      top += ratio;
      bottom += ratio * ratio;
    }
    if (!(bottom > 0)) continue;
    const square = top / bottom;
    let error = 0;
    for (let i = 0; i < wanted.length; i++) {
      const off = (square * found[i]!) / wanted[i]! - 1;
      error += off * off;
    }
    if (best === undefined || error < best.error) best = { texture, square, error };
  }
  const sound = best && Number.isFinite(best.square) && best.square > 0 && means.every(Number.isFinite);
  return sound ? { texture: best!.texture, means, deviation: Math.sqrt(best!.square) } : undefined;
}

/** Mean and variance of every channel over all places of some values; undefined where the shape is another. */
function channelMoments(
  values: readonly Tensor[],
  target: BatchStatistics,
): { mean: Float64Array; variance: Float64Array } | undefined {
  const n = target.mean.length;
  const sums = new Float64Array(n);
  const squares = new Float64Array(n);
  let count = 0;
  for (const { dims, data } of values) {
    if (dims.length < 2 || dims[1] !== n) return undefined;
    const inner = sizeOf(dims.slice(2));
    for (let s = 0, at = 0; s < dims[0]!; s++)
      for (let c = 0; c < n; c++)
        for (let i = 0; i < inner; i++, at++) {
          const v = Number(data[at]);
          sums[c]! += v;
          squares[c]! += v * v;
        }
    count += dims[0]! * inner;
  }
  if (count === 0) return undefined;
  const mean = sums.map((s) => s / count);
  return { mean, variance: squares.map((s, c) => Math.max(0, s / count - mean[c]! * mean[c]!)) };
}

/** The x of least sum over i of (b_i - sum_j x_j a_j[i])^2 / w_i, near 0 where that leaves it open. */
function leastSquares(a: readonly Float64Array[], b: Float64Array, w: Float64Array): number[] {
  const n = a.length;
  const dot = (x: Float64Array, y: Float64Array) => x.reduce((s, v, i) => s + (v * y[i]!) / w[i]!, 0);
  const m = a.map((x) => [...a.map((y) => dot(x, y)), dot(x, b)]);
  const trace = m.reduce((s, row, i) => s + row[i]!, 0);
  if (!(trace > 0)) return a.map(() => 0);
  for (let i = 0; i < n; i++) m[i]![i]! += (RIDGE * trace) / n;
  // Symmetric and positive definite: elimination needs no pivots.
  for (let i = 0; i < n; i++)
    for (let r = i + 1; r < n; r++) {
      const f = m[r]![i]! / m[i]![i]!;
      for (let c = i; c <= n; c++) m[r]![c]! -= f * m[i]![c]!;
    }
  const x = a.map(() => 0);
  for (let i = n - 1; i >= 0; i--) {
    let s = m[i]![n]!;
    for (let c = i + 1; c < n; c++) s -= m[i]![c]! * x[c]!;
    x[i] = s / m[i]![i]!;
  }
  return x;
}
