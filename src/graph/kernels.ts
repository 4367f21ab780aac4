import { withGraph } from '../onnx/index.ts';
import type { Initializer, Model, Node } from '../onnx/model.ts';
import type { Tensor, TypedArray } from '../tensor.ts';
import { withInitializers, withoutUnused } from './edit.ts';
import { couldBeWeight } from './hoist.ts';
import { dimsOf, passesOn, through, type View, viewOf } from './view.ts';
import { integersOf, type Value, type Values, valuesOf } from './values.ts';
import { useOf } from './weights.ts';

/**
 * The model with kernels of convolutions in the shape and order in which the convolution reads them: an initializer that only
 * a chain of Transpose, Reshape and their like reads, to the end of which a convolution has it as its weight, becomes what that
 * chain makes of it, under the name of the chain's last value. External data and kernels of other types than the convolution's
 * stay as they are.
 */
export function foldKernels(model: Model): Model {
  const values = valuesOf(model.graph);
  const made: Initializer[] = [];
  const gone = new Set<Node>();
  const candidates = new Set<string>();
  for (const t of model.graph.initializers) {
    const chain = couldBeWeight(t) && t.external === undefined ? chainOf(t, values) : undefined;
    if (chain === undefined) continue;
    const { name, view, nodes } = chain;
    let known: Tensor | undefined;
    const tensor = () => {
      known ??= seen(t.tensor(), view);
      return known;
    };
    made.push({ name, dataType: t.dataType, dims: dimsOf(view), tensor });
    for (const node of nodes) gone.add(node);
    for (const node of nodes) for (const v of node.inputs) candidates.add(v);
  }
  if (made.length === 0) return model;
  const nodes = model.graph.nodes.filter((n) => !gone.has(n));
  return withoutUnused(withInitializers(withGraph(model, { nodes }), made), candidates);
}

/** The way of a kernel to its convolution, where it goes no other way. */
function chainOf(t: Initializer, values: Values): { name: string; view: View; nodes: Node[] } | undefined {
  let value: Value = values.main.get(t.name)!;
  let view = viewOf(t.dims);
  const nodes: Node[] = [];
  for (;;) {
    const [reader] = value.readers;
    if (value.readers.length !== 1 || reader === undefined || value.output) return undefined;
    const { node, index } = reader;
    const use = useOf(node, index, view);
    if (use !== undefined) {
      const conv = typeof use !== 'string' && use.opType.includes('Conv');
      return conv && nodes.length > 0 ? { name: value.name, view, nodes } : undefined;
    }
    if (index !== 0 || !passesOn(node) || node.opType === 'Cast') return undefined;
    const next = through(node, view, (name) => integersOf(values, node, name));
    const output = values.output(node, 0);
    if (next === undefined || output === undefined) return undefined;
    nodes.push(node);
    view = next;
    value = output;
  }
}

/** The elements of a tensor in the order of a view of it. */
function seen(t: Tensor, view: View): Tensor {
  const pieces = view.flat().filter((p) => p.size > 1);
  const data = t.data.slice() as TypedArray;
  const at = pieces.map(() => 0);
  let from = 0;
  for (let i = 0; i < data.length; i++) {
    data[i] = t.data[from]!;
    for (let p = pieces.length - 1; p >= 0; p--) {
      const { size, stride } = pieces[p]!;
      from += stride;
      at[p]!++;
      if (at[p]! < size) break;
      from -= size * stride;
      at[p] = 0;
    }
  }
  return { dtype: t.dtype, dims: dimsOf(view), data };
}
