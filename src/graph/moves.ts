import { withGraph, withNode } from '../onnx/index.ts';
import type { Graph, Initializer, Model, Node } from '../onnx/model.ts';
import { arrayOf, dtypeOf, sizeOf, type Tensor } from '../tensor.ts';
import { allGraphs, allNodes, madeIn, mapBodies } from './bodies.ts';
import { freshNames, withInitializers, withoutUnused } from './edit.ts';
import { couldBeWeight } from './hoist.ts';
import { integersOf, type Value, type Values, valuesOf } from './values.ts';
import { dimsOf, passesOn, through, type View, viewOf } from './view.ts';
import { useOf } from './weights.ts';

/**
 * The model with weights as they are used: where nodes only cut initializers apart and put them together again (Slice and
 * Concat, with Transpose, Reshape and their like between them) to make a weight, or turn a kernel for a convolution, the weight
 * becomes an initializer and these nodes go, in bodies too; where it is made in several places, it is made once. Only where
 * nothing else reads what they read. External data stays as it is.
 */
export function foldMoves(model: Model): Model {
  const values = valuesOf(model.graph);
  const folds: Fold[] = [];
  for (const node of allNodes(model.graph.nodes)) {
    for (const index of node.inputs.keys()) {
      const value = values.input(node, index);
      if (value?.maker === undefined || folds.some((f) => f.value === value)) continue;
      const fold = foldOf(value, values);
      const use = fold && useOf(node, index, viewOf(fold.dims));
      if (fold === undefined || use === undefined || typeof use === 'string') continue;
      if (use.opType.includes('Conv') || fold.cut) folds.push(fold);
    }
  }
  const alone = onlyThese(folds, values);
  return alone.length === 0 ? model : folded(model, alone);
}

/** Those of the folds that leave no reader behind, and of whose initializers no two different weights are made. */
function onlyThese(folds: readonly Fold[], values: Values): Fold[] {
  let left = [...folds];
  for (;;) {
    const nodes = new Set(left.flatMap((f) => [...f.nodes]));
    const ends = new Set(left.map((f) => f.value));
    const within = (v: Value) => !v.output && v.readers.every((r) => nodes.has(r.node));
    const keys = new Map<Value, Set<string>>();
    for (const f of left) for (const v of f.leaves) keys.set(v, (keys.get(v) ?? new Set()).add(f.key));
    const fits = (f: Fold) =>
      !f.value.output &&
      f.leaves.every((v) => within(v) && keys.get(v)!.size === 1) &&
      [...f.nodes].map((n) => values.output(n, 0)!).every((v) => ends.has(v) || within(v));
    const next = left.filter(fits);
    if (next.length === left.length) return next;
    left = next;
  }
}

/** A value that can be made once. */
interface Fold {
  readonly value: Value;
  readonly nodes: ReadonlySet<Node>;
  /** The initializers. */
  readonly leaves: readonly Value[];
  /** How it is made of them: equal for values that are equal. */
  readonly key: string;
  readonly dims: readonly number[];
  readonly dataType: number;
  /** Whether a Slice or a Concat is among the nodes. */
  readonly cut: boolean;
  make(): Tensor;
}

function folded(model: Model, folds: readonly Fold[]): Model {
  const counts = new Map<string, number>();
  for (const graph of allGraphs(model.graph))
    for (const name of madeIn(graph)) counts.set(name, (counts.get(name) ?? 0) + 1);
  const fresh = freshNames(model);
  const gone = new Set(folds.flatMap((f) => [...f.nodes]));
  const renamed = new Map<Node, Map<number, string>>();
  const known = new Map<string, Initializer>();
  for (const { value, key, dims, dataType, make } of folds) {
    const name = known.get(key)?.name ?? (counts.get(value.name) === 1 ? value.name : fresh(value.name));
    for (const { node, index } of value.readers) {
      if (name === value.name) continue;
      const names = renamed.get(node) ?? new Map<number, string>();
      renamed.set(node, names.set(index, name));
    }
    let once: Tensor | undefined;
    const tensor = () => {
      once ??= make();
      return once;
    };
    if (!known.has(key)) known.set(key, { name, dataType, dims, tensor });
  }
  const change = (graph: Graph): Graph => {
    const nodes = graph.nodes.flatMap((node) => {
      if (gone.has(node)) return [];
      const names = renamed.get(node);
      const own = mapBodies(node, change);
      return names ? withNode(own, { inputs: own.inputs.map((v, i) => names.get(i) ?? v) }) : own;
    });
    const same = nodes.length === graph.nodes.length && nodes.every((n, i) => n === graph.nodes[i]);
    return same ? graph : { ...graph, nodes, wire: undefined };
  };
  const changed = withInitializers(withGraph(model, change(model.graph)), [...known.values()]);
  return withoutUnused(changed, new Set(folds.flatMap((f) => f.leaves.map((v) => v.name))));
}

/** How a value is made of initializers of which nothing else is made; undefined where it is made otherwise. */
function foldOf(value: Value, values: Values): Fold | undefined {
  const nodes = new Set<Node>();
  const leaves = new Map<Value, Initializer>();
  let cut = false;
  const shapeOf = (v: Value, depth: number): Shape | undefined => {
    if (depth > MAX_DEPTH) return undefined;
    const t = v.initializer;
    if (t) {
      if (t.external !== undefined || !couldBeWeight(t) || v !== values.main.get(v.name)) return undefined;
      leaves.set(v, t);
      return { key: JSON.stringify(t.name), dims: t.dims, dataType: t.dataType, make: () => t.tensor() };
    }
    const node = v.maker;
    if (node === undefined || node.domain !== '' || node.outputs.length !== 1) return undefined;
    const concat = node.opType === 'Concat';
    if (!concat && node.opType !== 'Slice' && (!passesOn(node) || node.opType === 'Cast')) return undefined;
    const parts: Shape[] = [];
    for (const i of concat ? node.inputs.keys() : [0]) {
      const source = values.input(node, i);
      const part = source && shapeOf(source, depth + 1);
      if (part === undefined) return undefined;
      parts.push(part);
    }
    nodes.add(node);
    if (concat || node.opType === 'Slice') cut = true;
    if (concat) return joined(parts, Number(node.attributes.get('axis')?.value ?? Number.NaN));
    const ints = (name: string) => integersOf(values, node, name);
    const [part] = parts as [Shape];
    if (node.opType === 'Slice') return sliced(part, node, ints);
    const view = through(node, viewOf(part.dims), ints);
    if (view === undefined) return undefined;
    const key = `${JSON.stringify(view)}(${part.key})`;
    return { key, dims: dimsOf(view), dataType: part.dataType, make: () => seen(part.make(), view) };
  };
  const shape = shapeOf(value, 0);
  if (shape === undefined || nodes.size === 0) return undefined;
  const total = [...leaves.values()].reduce((n, t) => n + sizeOf(t.dims), 0);
  if (sizeOf(shape.dims) > total) return undefined;
  return { value, nodes, leaves: [...leaves.keys()], cut, ...shape };
}

const MAX_DEPTH = 16;

interface Shape {
  readonly key: string;
  readonly dims: readonly number[];
  readonly dataType: number;
  make(): Tensor;
}

function joined(parts: readonly Shape[], axis: number): Shape | undefined {
  const [first] = parts;
  if (first === undefined) return undefined;
  const at = axis < 0 ? axis + first.dims.length : axis;
  if (!(at >= 0 && at < first.dims.length)) return undefined;
  const outside = (s: Shape) => `${s.dataType} ${s.dims.map((d, i) => (i === at ? '' : d))}`;
  if (parts.some((p) => outside(p) !== outside(first))) return undefined;
  const length = parts.reduce((n, p) => n + p.dims[at]!, 0);
  const dims = first.dims.map((d, i) => (i === at ? length : d));
  const make = () => {
    const y = empty(first.dataType, dims);
    let from = 0;
    for (const p of parts) {
      copy(p.make(), y, at, 0, from, p.dims[at]!);
      from += p.dims[at]!;
    }
    return y;
  };
  return { key: `${at}[${parts.map((p) => p.key)}]`, dims, dataType: first.dataType, make };
}

function sliced(part: Shape, node: Node, ints: (name: string) => readonly number[] | undefined): Shape | undefined {
  const list = (name: string, i: number): readonly number[] | undefined => {
    const a = node.attributes.get(name);
    return a?.type === 'ints' ? a.value : node.inputs[i] ? ints(node.inputs[i]) : undefined;
  };
  const [starts, ends] = [list('starts', 1), list('ends', 2)];
  const axes = list('axes', 3) ?? (node.inputs[3] ? undefined : starts?.map((_, i) => i));
  const steps = list('steps', 4) ?? (node.inputs[4] ? undefined : []);
  if (!starts || !ends || !axes || !steps || steps.some((s) => s !== 1)) return undefined;
  if (ends.length !== starts.length || axes.length !== starts.length) return undefined;
  let shape = part;
  for (const [i, given] of axes.entries()) {
    const before = shape;
    const { dims } = before;
    const axis = given < 0 ? given + dims.length : given;
    const size = dims[axis];
    if (size === undefined) return undefined;
    const bound = (v: number) => Math.max(0, Math.min(size, v < 0 ? v + size : v));
    const from = bound(starts[i]!);
    const count = bound(ends[i]!) - from;
    if (count < 1) return undefined;
    const out = dims.map((d, a) => (a === axis ? count : d));
    const make = () => {
      const y = empty(before.dataType, out);
      copy(before.make(), y, axis, from, 0, count);
      return y;
    };
    shape = { key: `${axis},${from},${count}(${before.key})`, dims: out, dataType: part.dataType, make };
  }
  return shape;
}

function empty(dataType: number, dims: readonly number[]): Tensor {
  const dtype = dtypeOf(dataType)!;
  return { dtype, dims, data: new (arrayOf(dtype))(sizeOf(dims)) };
}

/** Copies `count` slices along an axis. */
function copy(x: Tensor, y: Tensor, axis: number, from: number, to: number, count: number): void {
  const after = sizeOf(x.dims.slice(axis + 1));
  const before = sizeOf(x.dims.slice(0, axis));
  for (let b = 0; b < before; b++) {
    const at = (b * x.dims[axis]! + from) * after;
    y.data.set(x.data.subarray(at, at + count * after) as never, (b * y.dims[axis]! + to) * after);
  }
}

/** The elements of a tensor in the order of a view of it. */
function seen(t: Tensor, view: View): Tensor {
  const pieces = view.flat().filter((p) => p.size > 1);
  const y: Tensor = { dtype: t.dtype, dims: dimsOf(view), data: t.data.slice() };
  const at = pieces.map(() => 0);
  let from = 0;
  for (let i = 0; i < y.data.length; i++) {
    y.data[i] = t.data[from]!;
    for (let p = pieces.length - 1; p >= 0; p--) {
      const { size, stride } = pieces[p]!;
      from += stride;
      at[p]!++;
      if (at[p]! < size) break;
      from -= size * stride;
      at[p] = 0;
    }
  }
  return y;
}
