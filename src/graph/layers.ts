import type { Initializer, Model, Node } from '../onnx/model.ts';
import { type DType, dtypeOf, sizeOf } from '../tensor.ts';
import { isFloating } from '../ops/shape.ts';
import { allGraphs } from './bodies.ts';
import { constantOf, couldBeWeight, SMALLEST_LAYER } from './hoist.ts';
import { dimsOf, passesOn, type RowForm, rowForm, through, type View, viewOf } from './view.ts';
import { integersOf, type Value, type Values, valuesOf } from './values.ts';
import { isOfQuantized, isQuantized, type Use, useOf } from './weights.ts';

export { SMALLEST_LAYER } from './hoist.ts';

/** A weight that can be quantized, and where it is used. */
export interface Layer {
  /** Unique name for people. */
  readonly name: string;
  /** Name of the initializer. */
  readonly weight: string;
  /**
   * Operator of the first node that uses it as a weight; for operators that do what another does and more (FusedConv,
   * FusedMatMul, EmbedLayerNormalization...) that other one (Conv, MatMul, Gather).
   */
  readonly opType: string;
  /** Nodes that use it as a weight, in order, those in bodies included. */
  readonly nodes: readonly Node[];
  /** The same, with how each reads it. */
  readonly uses: readonly LayerUse[];
  /** The first node's activation input; '' for a table. */
  readonly input: string;
  /** Shape of the weight as stored, and type of its elements. */
  readonly dims: readonly number[];
  readonly dtype: DType;
  /**
   * Shape of as many elements, in the order they are stored, in which `rowAxis` is the axis of output channels: `dims` itself
   * unless the weight is seen in another shape, or its rows are those of several axes.
   */
  readonly shape: readonly number[];
  readonly rowAxis: number;
  /** How many of the first axes of `shape` count rows too, before `rowAxis`: 0 or 1. */
  readonly lead: number;
  /** Number of output channels, and of weights of each. */
  readonly rows: number;
  readonly cols: number;
  /** Groups of a convolution, 1 elsewhere. */
  readonly groups: number;
  readonly params: number;
}

/** How one node uses a layer's weight. */
export interface LayerUse {
  readonly node: Node;
  /** As Layer.opType. */
  readonly opType: string;
  /** Which input is the weight, and which is multiplied by it: -1 for a table. */
  readonly index: number;
  readonly input: number;
  /** Whether the node's rows are the layer's, and a row's elements lie in the order of the node's inputs. */
  readonly plain: boolean;
  /** Shape of the weight as the node sees it. */
  readonly dims: readonly number[];
}

/** A float tensor that stays as it is, and why. */
export interface LeftWeight {
  readonly weight: string;
  readonly reason: string;
}

/**
 * The quantizable weights in the order of the nodes that use them: constant tensors of a floating type with 256 elements or
 * more that are the weights of a product, a convolution, a recurrent operator or a table, in the graph or in a body, directly
 * or through Transpose, Reshape and their like; and every other tensor of that size, or in a weight's place, with the reason why
 * it is left. A weight that several nodes share is one layer. An initializer that is also an input of the graph counts as
 * constant: the written model no longer has that input.
 */
export function findLayers(model: Model): { layers: Layer[]; left: LeftWeight[] } {
  const finder = new Finder(model);
  const found: { at: number; layer: Layer }[] = [];
  const left: LeftWeight[] = [];
  for (const t of model.graph.initializers) {
    const result = finder.of(t);
    if (typeof result === 'string') left.push({ weight: t.name, reason: result });
    else if (result !== undefined) found.push({ at: finder.values.order(result.nodes[0]!), layer: result });
  }
  for (const l of finder.elsewhere()) left.push(l);
  found.sort((a, b) => a.at - b.at);
  const taken = new Map<string, number>();
  const layers = found.map(({ layer }) => ({
    ...layer,
    name: unique(nameOf(layer.weight, layer.nodes[0]!), taken),
  }));
  return { layers, left };
}

/** What a weight is to one node. */
interface Found {
  readonly node: Node;
  readonly index: number;
  readonly use: Use | string;
  readonly view: View;
}

class Finder {
  readonly values: Values;

  constructor(readonly model: Model) {
    this.values = valuesOf(model.graph);
  }

  /** The layer, without its name for people; why it is left; or undefined for what is not worth a word. */
  of(t: Initializer): Layer | string | undefined {
    const value = this.values.main.get(t.name)!;
    const found: Found[] = [];
    const others: string[] = [];
    this.#follow(value, viewOf(t.dims), found, others, 0);
    const size = sizeOf(t.dims);
    if (found.length === 0 && size < SMALLEST_LAYER) return undefined;
    const dtype = dtypeOf(t.dataType);
    const reason = reasonToLeave(t, value, found, others);
    if (reason !== undefined) {
      const worth = (dtype && isFloating(dtype)) || found.length > 0 || reason === QUANTIZED_ALREADY;
      return worth ? reason : undefined;
    }
    found.sort((a, b) => this.values.order(a.node) - this.values.order(b.node));
    return layerOf(t, dtype!, found as readonly (Found & { use: Use })[]);
  }

  /** Weights that are no initializers of the main graph. */
  *elsewhere(): Generator<LeftWeight> {
    for (const graph of allGraphs(this.model.graph)) {
      if (graph !== this.model.graph)
        for (const t of graph.initializers)
          if (couldBeWeight(t)) yield { weight: t.name, reason: `held by a body: ${ONLY_MAIN}` };
      for (const node of graph.nodes) {
        const value = constantOf(node);
        if (value === undefined || !couldBeWeight(value)) continue;
        yield { weight: node.outputs[0]!, reason: `held by a Constant node: ${ONLY_MAIN}` };
      }
    }
  }

  /** Who uses a value as a weight, through nodes that pass it on. */
  #follow(value: Value, view: View, found: Found[], others: string[], depth: number): void {
    for (const { node, index } of value.readers) {
      if (isQuantized(node, index) || (isOfQuantized(node) && depth === 0)) {
        others.push(QUANTIZED_ALREADY);
        continue;
      }
      const use = useOf(node, index, view);
      if (use !== undefined) {
        found.push({ node, index, use, view });
        continue;
      }
      const next =
        index === 0 && depth < MAX_STEPS && passesOn(node)
          ? through(node, view, (name) => integersOf(this.values, node, name))
          : undefined;
      const output = this.values.output(node, 0);
      if (next === undefined || output === undefined) others.push(node.opType);
      else {
        const [before, at] = [found.length, others.length];
        this.#follow(output, next, found, others, depth + 1);
        if (found.length === before) others.splice(at, 0, node.opType);
      }
    }
  }
}

const MAX_STEPS = 16;
/** Why a weight in codes is left. */
export const QUANTIZED_ALREADY = 'quantized already';
const ONLY_MAIN = 'only initializers of the main graph are quantized';

function reasonToLeave(
  t: Initializer,
  value: Value,
  found: readonly Found[],
  others: readonly string[],
): string | undefined {
  const dtype = dtypeOf(t.dataType);
  if (others.includes(QUANTIZED_ALREADY)) return QUANTIZED_ALREADY;
  if (found.length === 0 && others.length === 0) return value.output ? 'an output of the graph' : 'used by no node';
  if (found.length === 0) return `used by ${[...new Set(others)].join(', ')}, not as a weight`;
  if (dtype === undefined || !isFloating(dtype))
    return `type ${dtype ?? t.dataType}: only weights of a floating type are quantized`;
  if (sizeOf(t.dims) < SMALLEST_LAYER) return `${sizeOf(t.dims)} elements: fewer than ${SMALLEST_LAYER}`;
  return found.map((f) => f.use).find((use) => typeof use === 'string');
}

function layerOf(t: Initializer, dtype: DType, found: readonly (Found & { use: Use })[]): Layer | string {
  const [first] = found as [Found & { use: Use }];
  if (found.some(({ use, view }) => use.opType.includes('Conv') && String(dimsOf(view)) !== String(t.dims)))
    return `kernel of ${first.node.opType} that is stored in another shape`;
  const form = rowForm(t.dims, first.use.rows, first.use.cols);
  if (form === undefined) return `weight of ${first.node.opType} whose rows are spread over its axes`;
  const { shape, rowAxis, lead } = form;
  const params = sizeOf(t.dims);
  const rows = sizeOf(shape.slice(0, lead)) * shape[rowAxis]!;
  const uses = found.map(({ node, index, use, view }): LayerUse => {
    const own = rowForm(t.dims, use.rows, use.cols);
    const plain = own?.inOrder === true && own.lead === lead && sameRows(own, form);
    return { node, opType: use.opType, index, input: use.input, plain, dims: dimsOf(view) };
  });
  return {
    name: '',
    weight: t.name,
    opType: first.use.opType,
    nodes: [...new Set(found.map((f) => f.node))],
    uses,
    input: first.use.input < 0 ? '' : (first.node.inputs[first.use.input] ?? ''),
    dims: t.dims,
    dtype,
    shape,
    rowAxis,
    lead,
    rows,
    cols: params / rows,
    groups: first.use.groups,
    params,
  };
}

function sameRows(a: RowForm, b: RowForm): boolean {
  const key = ({ shape, rowAxis }: RowForm) => [
    sizeOf(shape.slice(0, rowAxis)),
    shape[rowAxis],
    sizeOf(shape.slice(rowAxis + 1)),
  ];
  return String(key(a)) === String(key(b));
}

/** The initializer's name unless an exporter made it up; then the node's. */
function nameOf(weight: string, node: Node): string {
  const made = weight.startsWith('onnx::') || /^\d+$/.test(weight);
  if (!made || node.name === '') return weight.replace(/\.weight$/, '');
  return node.name.replace(/^\//, '').replace(/\/(MatMul|Gemm|Conv|ConvTranspose|Gather)$/, '') || weight;
}

function unique(name: string, taken: Map<string, number>): string {
  const n = (taken.get(name) ?? 0) + 1;
  taken.set(name, n);
  return n === 1 ? name : unique(`${name}#${n}`, taken);
}
