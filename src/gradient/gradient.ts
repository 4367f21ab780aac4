import { UnsupportedError } from '../errors.ts';
import type { Node } from '../onnx/model.ts';
import type { NodeSpec, Runtime } from '../ops/op.ts';
import type { Tensor } from '../tensor.ts';

/** One node of a traced run and the gradients that reached it. The tensors are valid during the visit only. */
export interface Call {
  readonly node: Node;
  /** Values of the run, in the node's order; undefined where absent. */
  readonly inputs: readonly (Tensor | undefined)[];
  readonly outputs: readonly (Tensor | undefined)[];
  /** Gradient with respect to each output, of its shape; undefined where nothing depends on it. At least one is there. */
  readonly dy: readonly (Tensor | undefined)[];
}

/**
 * The gradients of a node's inputs, in the node's order, from those of its outputs: float tensors of the inputs' shapes,
 * undefined where `wants` is false or the gradient is zero throughout. Everything it allocates and does not return is freed;
 * inputs, outputs and dy are never written to.
 * @throws UnsupportedError for a form of the operator that has no gradient here
 */
export type Gradient = (call: Call, wants: readonly boolean[], rt: Runtime) => readonly (Tensor | undefined)[];

/** A table of gradients by operator type. */
export type Gradients = Readonly<Record<string, Gradient>>;

/** An operator whose first input alone has a gradient: that from dy. */
export function single(dx: (call: Call, dy: Tensor, x: Tensor, rt: Runtime) => Tensor | undefined): Gradient {
  return (call, wants, rt) => {
    if (wants.slice(1).includes(true)) throw new UnsupportedError(`the gradient in input ${wants.indexOf(true, 1)}`);
    const dy = call.dy[0];
    if (dy === undefined || call.dy.slice(1).some((g) => g !== undefined))
      throw new UnsupportedError('the gradient of the second output');
    return wants[0] ? [dx(call, dy, call.inputs[0]!, rt)] : [];
  };
}

const NO_BODIES: NodeSpec['bodies'] = new Map();

/** What attribute readers and the executor's operators want to know of a node whose meaning does not depend on the opset. */
export function specOf(node: Node, opset: number): NodeSpec {
  const { opType, name, attributes, outputs } = node;
  return { opType, name, attributes, outputs: outputs.length, opset, bodies: NO_BODIES };
}

/** A float tensor of zeros. */
export function zeros(dims: readonly number[], rt: Runtime): Tensor {
  const t = rt.empty('float', dims);
  (t.data as Float32Array).fill(0);
  return t;
}

/** A float tensor of shape `dims` whose element i is f of the elements i of up to three float tensors of that size. */
export function elementwise(
  dims: readonly number[],
  of: readonly Tensor[],
  rt: Runtime,
  f: (a: number, b: number, c: number) => number,
): Tensor {
  // Allocates before any view is taken: memory that grows detaches the views of it.
  const t = rt.empty('float', dims);
  const out = t.data as Float32Array;
  const [a, b, c] = [of[0]!, of[1] ?? of[0]!, of[2] ?? of[0]!].map((x) => x.data as Float32Array) as [
    Float32Array,
    Float32Array,
    Float32Array,
  ];
  for (let i = 0; i < out.length; i++) out[i] = f(a[i]!, b[i]!, c[i]!);
  return t;
}
