import { Session } from '../../src/graph/index.ts';
import { writeModel } from '../../src/onnx/index.ts';
import type { Graph, Node } from '../../src/onnx/model.ts';
import type { Tensor } from '../../src/tensor.ts';
import { ints, list, runOrt, same, wasm } from '../ops/compare.ts';
import { held, modelOf, node } from './build.ts';

/** Small graphs, run here and by onnxruntime. */

type Feeds = Readonly<Record<string, Tensor>>;

/** Every run of the graph, here and by onnxruntime: all outputs alike. */
export async function agree(
  what: string,
  g: Graph,
  opset: number,
  runs: readonly Feeds[],
  irVersion?: number,
): Promise<void> {
  const model = modelOf(g, { opset, ...(irVersion === undefined ? {} : { irVersion }) });
  const bytes = writeModel(model);
  const session = new Session(model, wasm);
  try {
    for (const feeds of runs) {
      const expected = await runOrt(bytes, feeds);
      const actual = session.run(feeds);
      for (const o of g.outputs)
        same(actual[o.name]!, expected[o.name]!, `${what}, opset ${opset}, ${o.name}`, 1e-4, 1e-5);
    }
  } finally {
    session.dispose();
  }
}

/** A Constant node. */
export const constant = (name: string, t: Tensor): Node => node('Constant', '', name, { value: held(t) });
/** Unsqueeze and its like take axes as an attribute before opset 13. */
export const axes = (op: string, x: string, y: string, opset: number, ...a: number[]): Node[] =>
  opset < 13
    ? [node(op, x, y, { axes: ints(...a) })]
    : [constant(`${y}_axes`, list(...a)), node(op, `${x},${y}_axes`, y)];

/** As exporters write "to the end". */
export const END = Number.MAX_SAFE_INTEGER;
