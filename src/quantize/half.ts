import { fromHalf, toHalf } from '../grid/index.ts';
import { withGraph } from '../onnx/index.ts';
import type { Initializer, Model } from '../onnx/model.ts';
import { DATA_TYPES, sizeOf, tensor } from '../tensor.ts';
import type { Wasm } from '../wasm/wasm.ts';
import type { Builder } from './builder.ts';

/** What tensors that are not quantized are stored as. */
export type Rest = 'fp32' | 'fp16';
/** Types that tensors which are not quantized can be stored as. */
export const RESTS: readonly Rest[] = ['fp32', 'fp16'];

/** What became of the tensors that are not quantized. */
export interface HalfReport {
  /** How many are stored as fp16, and their bytes as fp32 and as fp16. */
  readonly tensors: number;
  readonly before: number;
  readonly after: number;
  /** Those that stay fp32, and why. */
  readonly kept: readonly { readonly tensor: string; readonly reason: string }[];
}

/** Tensors of fewer elements save less than their Cast takes. */
const LEAST_ELEMENTS = 32;
/** Largest error of an element: relative to itself (what fp16 has where it is normal), or to the tensor's largest. */
const OWN = 2 ** -11;
const OF_LARGEST = 2 ** -21;

/**
 * The model with its fp32 initializers of 32 elements or more stored as fp16, with a Cast back, which runtimes fold at load: vectors
 * as one tensor, cast and cut apart, others each by itself. A tensor stays fp32 where it has an element beyond fp16's range, or one
 * that would lose more than 2^-11 of itself and more than 2^-21 of the tensor's largest: one far below the smallest normal number,
 * 6.1e-5, in a tensor of such numbers.
 * @param names initializers in question; an input or output of the graph, and any other type, stays as it is
 */
export function withHalves(
  wasm: Wasm,
  model: Model,
  builder: Builder,
  names: ReadonlySet<string>,
): { readonly model: Model; readonly report: HalfReport } {
  const { graph } = model;
  const bound = new Set([...graph.inputs, ...graph.outputs].map((v) => v.name));
  const kept: { tensor: string; reason: string }[] = [];
  const halves = new Map<string, Uint16Array>();
  for (const t of graph.initializers) {
    if (!names.has(t.name) || bound.has(t.name) || t.dataType !== DATA_TYPES.float || sizeOf(t.dims) < LEAST_ELEMENTS)
      continue;
    const half = halfOf(wasm, t);
    if (typeof half === 'string') kept.push({ tensor: t.name, reason: half });
    else halves.set(t.name, half);
  }
  const chosen = graph.initializers.filter((t) => halves.has(t.name));
  const elements = chosen.reduce((n, t) => n + sizeOf(t.dims), 0);
  const report = { tensors: chosen.length, before: 4 * elements, after: 2 * elements, kept };
  if (chosen.length === 0) return { model, report };
  writeVectors(
    builder,
    chosen.filter((t) => t.dims.length === 1),
    halves,
  );
  for (const { name, dims } of chosen)
    if (dims.length !== 1)
      builder.cast(builder.initializer('', tensor('float16', dims, halves.get(name)!)), DATA_TYPES.float, name);
  const part = builder.take();
  return {
    model: withGraph(model, {
      nodes: [...part.nodes, ...graph.nodes],
      initializers: [...graph.initializers.filter((t) => !halves.has(t.name)), ...part.initializers],
    }),
    report,
  };
}

function writeVectors(b: Builder, vectors: readonly Initializer[], halves: ReadonlyMap<string, Uint16Array>): void {
  if (vectors.length === 0) return;
  const sizes = vectors.map((t) => t.dims[0]!);
  const all = new Uint16Array(sizes.reduce((n, s) => n + s, 0));
  let at = 0;
  for (const { name } of vectors) {
    const half = halves.get(name)!;
    all.set(half, at);
    at += half.length;
  }
  const stored = b.initializer('', tensor('float16', [all.length], all));
  const names = vectors.map((t) => t.name);
  const whole = b.cast(stored, DATA_TYPES.float, names.length === 1 ? names[0] : undefined);
  b.split(whole, sizes, 0, names);
}

/** The tensor's elements as fp16, or why they are not. */
function halfOf(wasm: Wasm, t: Initializer): Uint16Array | string {
  const values = t.tensor().data as Float32Array;
  const half = toHalf(wasm, values);
  const back = fromHalf(wasm, half);
  let largest = 0;
  for (const v of values) if (Number.isFinite(v)) largest = Math.max(largest, Math.abs(v));
  for (let i = 0; i < values.length; i++) {
    const [v, h] = [values[i]!, back[i]!];
    if (v === h) continue;
    if (!Number.isFinite(h)) return `holds ${v}, beyond the range of fp16`;
    if (Math.abs(v - h) > Math.max(OWN * Math.abs(v), OF_LARGEST * largest))
      return `holds ${v}, too small for fp16 beside ${largest}, its largest`;
  }
  return half;
}
