import { SMALLEST_LAYER, usesOf } from '../../graph/index.ts';
import type { Layer } from '../../graph/layers.ts';
import { type Coded, encode } from '../../grid/index.ts';
import { withGraph } from '../../onnx/index.ts';
import type { Initializer, Model } from '../../onnx/model.ts';
import { DATA_TYPES, sizeOf } from '../../tensor.ts';
import type { Wasm } from '../../wasm/wasm.ts';
import { Builder } from '../builder.ts';
import { integer } from '../integer.ts';
import { whyNotMultiplied } from './operators.ts';

/** A convolution's weight too small to be a layer, whose convolution is to be one of integers all the same, in 8 bits. */
export interface SmallWeight {
  readonly layer: Layer;
  readonly coded: Coded;
}

/** Weights of fewer elements than layers have that nothing but convolutions read: of first and depthwise ones. */
export function smallWeights(wasm: Wasm, model: Model): SmallWeight[] {
  const { readers, outputs } = usesOf(model.graph);
  return model.graph.initializers.flatMap((t): SmallWeight[] => {
    const nodes = readers.get(t.name) ?? [];
    const size = sizeOf(t.dims);
    const [first] = nodes;
    if (t.dataType !== DATA_TYPES.float || t.dims.length < 3 || size === 0 || size >= SMALLEST_LAYER) return [];
    if (!first || outputs.has(t.name) || nodes.some((n) => n.opType !== 'Conv' || n.inputs.lastIndexOf(t.name) !== 1))
      return [];
    const layer = layerOf(t, first.inputs[0]!, nodes);
    const w = t.tensor().data as Float32Array;
    if (whyNotMultiplied(model, layer) !== undefined || !w.every(Number.isFinite)) return [];
    const spec = { bits: 8, granularity: 'channel', symmetric: true, clip: 'mse', scaleType: 'float16' } as const;
    return [{ layer, coded: encode(wasm, w, layer.rows, layer.cols, 8, () => spec, 'nearest', undefined) }];
  });
}

function layerOf({ name, dims }: Initializer, input: string, nodes: Layer['nodes']): Layer {
  const rows = dims[0]!;
  const params = sizeOf(dims);
  const uses = nodes.map((node) => ({ node, opType: 'Conv', index: 1, input: 0, plain: true, dims }));
  const groups = Number(nodes[0]!.attributes.get('group')?.value ?? 1);
  const form = { dims, dtype: 'float', shape: dims, rowAxis: 0, lead: 0, rows, cols: params / rows } as const;
  return { name, weight: name, opType: 'Conv', nodes, uses, input, ...form, groups, params };
}

/** The model with these weights as `integer` writes them. */
export function writeSmall(wasm: Wasm, model: Model, weights: readonly SmallWeight[]): Model {
  if (weights.length === 0) return model;
  const b = new Builder(model);
  for (const { layer, coded } of weights)
    integer.write(wasm, b, { name: layer.weight, dims: layer.dims, rowAxis: 0, coded });
  const parts = [b.take(), b.common()].reverse();
  const gone = new Set(weights.map((w) => w.layer.weight));
  const { graph } = model;
  return withGraph(model, {
    nodes: [...parts.flatMap((p) => p.nodes), ...graph.nodes],
    initializers: [...graph.initializers.filter((t) => !gone.has(t.name)), ...parts.flatMap((p) => p.initializers)],
    inputs: graph.inputs.filter((v) => !gone.has(v.name)),
  });
}
