import { NodeRuntime } from '../graph/buffer.ts';
import { findOperator, OPSETS } from '../ops/registry.ts';
import type { Tensor } from '../tensor.ts';
import type { Wasm } from '../wasm/wasm.ts';
import { type Call, specOf } from './gradient.ts';

/**
 * How the result of a node that is linear in its weight changes when the weight changes by `change`: the operator run on that, without
 * its bias. For Gemm, MatMul, Conv, ConvTranspose and Gather.
 * @param input which input is the weight
 * @param body gets the change of the first output, which is freed afterwards
 */
export function response<T>(wasm: Wasm, call: Call, input: number, change: Tensor, body: (dy: Tensor) => T): T {
  const rt = new NodeRuntime(wasm);
  const { node } = call;
  try {
    const inputs = call.inputs.slice(0, 2).map((t, i) => (i === input ? change : t));
    rt.begin(inputs, []);
    const operator = findOperator(node.domain, node.opType, OPSETS.newest)!;
    return body(operator.build(specOf(node, OPSETS.newest))(inputs, rt)[0]!);
  } finally {
    rt.end([]);
  }
}
