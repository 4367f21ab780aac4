import type { Layer } from '../graph/index.ts';
import { withNode } from '../onnx/index.ts';
import type { Node } from '../onnx/model.ts';
import { DATA_TYPES, sizeOf } from '../tensor.ts';
import type { Builder, Part } from './builder.ts';

/**
 * What a format is asked to write of a layer: the weight in a shape with one row axis; where the rows are those of several
 * axes, the matrix of the rows.
 */
export function placeOf(layer: Layer): { readonly dims: readonly number[]; readonly rowAxis: number } {
  const { shape, rowAxis, lead, rows, cols } = layer;
  return lead === 0 ? { dims: shape, rowAxis } : { dims: [rows, cols], rowAxis: 0 };
}

/** The part with what brings the decoded value to the weight's own order, shape and type. */
export function placed(builder: Builder, part: Part, layer: Layer, written: readonly number[]): Part {
  const { weight, dims, dtype, shape, lead, rowAxis } = layer;
  type Step = (value: string, output?: string) => string;
  const steps: Step[] = [];
  if (lead > 0) {
    const before = sizeOf(shape.slice(lead, rowAxis));
    if (before > 1) {
      const first = sizeOf(shape.slice(0, lead));
      const after = sizeOf(shape.slice(rowAxis + 1));
      steps.push((v) => builder.reshape(v, [first, shape[rowAxis]!, before, after]));
      steps.push((v, o) => builder.node('Transpose', [v], { perm: { type: 'ints', value: [0, 2, 1, 3] } }, o));
    }
  }
  const moved = lead > 0 && steps.length > 0;
  if (moved || String(written) !== String(dims)) steps.push((v, o) => builder.reshape(v, dims, o));
  if (dtype !== 'float') steps.push((v, o) => builder.cast(v, DATA_TYPES[dtype], o));
  if (steps.length === 0) return part;
  const inner = builder.name(`${weight}.w`);
  const rename = (v: string) => (v === weight ? inner : v);
  const nodes = part.nodes.map((n): Node => {
    if (![...n.inputs, ...n.outputs].includes(weight)) return n;
    return withNode(n, { inputs: n.inputs.map(rename), outputs: n.outputs.map(rename) });
  });
  steps.reduce((value, step, i) => step(value, i === steps.length - 1 ? weight : undefined), inner);
  const more = builder.take();
  return { nodes: [...nodes, ...more.nodes], initializers: [...part.initializers, ...more.initializers] };
}
