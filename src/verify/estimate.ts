import type { Plan } from '../allocate/types.ts';
import type { Calibration } from '../calibrate/calibrate.ts';
import type { Candidates } from '../curvature/candidates.ts';
import { curvatureOf, type OperatorCurvature } from '../curvature/operators.ts';
import { layerSpectrum } from '../curvature/spectra.ts';
import type { Layer } from '../graph/layers.ts';
import type { Attribute, Model, Node } from '../onnx/model.ts';
import type { Wasm } from '../wasm/wasm.ts';

export interface LayerError {
  readonly name: string;
  readonly weight: string;
  /** |dW| times the largest l2 norm of an input: the most this layer's own error can be at its output, one sample. */
  readonly local: number;
  /** A(v): how much an error at the layer's output can grow on its way to the network's. Infinity where no bound is known. */
  readonly amplification: number;
  /** local x amplification. */
  readonly contribution: number;
}

export interface ErrorEstimate {
  /** Bound on the l2 error of one sample's outputs, summed over outputs: the sum of the contributions. */
  readonly total: number;
  readonly layers: readonly LayerError[];
  /**
   * proved: every constant holds everywhere, so the bound holds for every sample whose layer inputs are no larger than the
   * calibrated ones, the calibration samples among them. proxy: some operator's constant holds on the calibrated range only.
   */
  readonly label: 'proved' | 'proxy';
  /** Operators whose constants hold on the calibrated range only, or are not bounded. */
  readonly conditional: readonly string[];
}

/** Operators whose constants, where they are finite, hold at every point. */
const EVERYWHERE = new Set(
  (
    'Conv Gemm ConvTranspose Add Sub Sum Mean Relu LeakyRelu PRelu Clip Sigmoid Tanh Erf Gelu Softplus Mish Softmax LogSoftmax MaxPool ' +
    'AveragePool GlobalAveragePool GlobalMaxPool ReduceMean ReduceSum ReduceMax ReduceMin Reshape Flatten Transpose Squeeze ' +
    'Unsqueeze Identity Dropout Concat Slice Split Pad Cast BatchNormalization Expand Tile Max Min Neg Abs HardSigmoid HardSwish Elu Selu Celu'
  ).split(' '),
);

/**
 * Theorem 3.4 on a graph: |error of the outputs| <= sum over layers of A(l) |dW_l x_l|, where A(v) is the sum over the
 * consumers c of v of A(c) L_c, the norms downstream are those of the quantized layers, and dW is the exact weight error.
 * @param candidates the quantized forms the plan's widths stand for
 */
export function estimateError(
  wasm: Wasm,
  model: Model,
  layers: readonly Layer[],
  calibration: Calibration,
  candidates: Candidates,
  plan: Pick<Plan, 'layers'>,
): ErrorEstimate {
  const bits = new Map(plan.layers.map((l) => [l.weight, l.bits]));
  const layerOf = new Map<Node, Layer>();
  for (const layer of layers) for (const node of layer.nodes) layerOf.set(node, layer);
  const constants = constantValues(model);
  const norms = new Map<string, { own: number; error: number }>();
  for (const layer of layers) {
    const width = bits.get(layer.weight) ?? 32;
    const float = candidates.float(layer);
    const values = width === 32 ? float : candidates.values(layer, width);
    const difference = float.map((w, i) => values[i]! - w);
    norms.set(layer.weight, {
      own: layer.opType === 'Gather' ? 0 : layerSpectrum(wasm, layer, values).sigmaMax,
      error: width === 32 ? 0 : layerSpectrum(wasm, layer, difference).sigmaMax,
    });
  }
  const conditional = new Set<string>();
  const amplification = new Map<string, number>(model.graph.outputs.map((o) => [o.name, 1]));
  const found: LayerError[] = [];
  for (const node of [...model.graph.nodes].reverse()) {
    const above = node.outputs.reduce((sum, o) => sum + (amplification.get(o) ?? 0), 0);
    if (above === 0) continue;
    const layer = layerOf.get(node);
    if (layer) found.push(layerError(layer, node, above, norms.get(layer.weight)!.error, calibration));
    const moving = node.inputs.map((v) => v !== '' && !constants.has(v) && calibration.values.has(v));
    if (!moving.some(Boolean)) continue;
    const curvature = nodeCurvature(node, layer && norms.get(layer.weight)!.own, calibration, constants);
    if (!EVERYWHERE.has(node.opType) && !linearInOne(node, moving)) conditional.add(node.opType);
    node.inputs.forEach((v, i) => {
      if (!moving[i]) return;
      const lipschitz = curvature?.perInput[i] ?? curvature?.lipschitz ?? Number.POSITIVE_INFINITY;
      if (!Number.isFinite(lipschitz)) conditional.add(node.opType);
      if (lipschitz > 0) amplification.set(v, (amplification.get(v) ?? 0) + above * lipschitz);
    });
  }
  const merged = mergeShared(layers, found);
  return {
    total: merged.reduce((sum, l) => sum + l.contribution, 0),
    layers: merged,
    label: conditional.size === 0 ? 'proved' : 'proxy',
    conditional: [...conditional].sort(),
  };
}

/** A product with one moving factor is linear: its constant holds everywhere. */
function linearInOne(node: Node, moving: readonly boolean[]): boolean {
  return (
    (node.opType === 'Mul' || node.opType === 'MatMul' || node.opType === 'Div') &&
    moving.filter(Boolean).length === 1 &&
    moving[0] === true
  );
}

function layerError(layer: Layer, node: Node, above: number, error: number, calibration: Calibration): LayerError {
  const output = calibration.shapes.get(node.outputs[0]!) ?? [];
  // A table's error is that of the rows looked up, at most the largest row error for each of them.
  const lookups = output.reduce((n, d) => n * d, 1) / Math.max(1, layer.cols);
  const reach =
    layer.opType === 'Gather' ? Math.sqrt(lookups) : (calibration.values.get(layer.input)?.maxSampleNorm ?? 0);
  const local = error * reach;
  return {
    name: layer.name,
    weight: layer.weight,
    local,
    amplification: above,
    contribution: local === 0 ? 0 : local * above,
  };
}

/** A weight used by several nodes contributes through each. */
function mergeShared(layers: readonly Layer[], found: readonly LayerError[]): LayerError[] {
  return layers.map((layer) => {
    const parts = found.filter((f) => f.weight === layer.weight);
    const local = parts.reduce((max, p) => Math.max(max, p.local), 0);
    const amplification = parts.reduce((sum, p) => sum + p.amplification, 0);
    return {
      name: layer.name,
      weight: layer.weight,
      local,
      amplification,
      contribution: parts.reduce((sum, p) => sum + p.contribution, 0),
    };
  });
}

function nodeCurvature(
  node: Node,
  operatorNorm: number | undefined,
  calibration: Calibration,
  constants: ReadonlyMap<string, ArrayLike<number> | undefined>,
): OperatorCurvature | undefined {
  return curvatureOf(node.opType, {
    attributes: plain(node.attributes),
    dims: node.inputs.map((v) => calibration.shapes.get(v)),
    outputDims: calibration.shapes.get(node.outputs[0]!),
    constants: node.inputs.map((v) => constants.get(v)),
    ranges: node.inputs.map((v) => calibration.values.get(v)),
    norms: node.inputs.map((v) => calibration.values.get(v)?.maxSampleNorm),
    minVariance: calibration.rowVariance.get(node.outputs[0]!),
    operatorNorm,
  });
}

/** Elements of every constant float value: initializers and Constant nodes. */
function constantValues(model: Model): Map<string, ArrayLike<number> | undefined> {
  const values = new Map<string, ArrayLike<number> | undefined>();
  for (const t of model.graph.initializers)
    values.set(t.name, t.dataType === 1 ? (t.tensor().data as Float32Array) : undefined);
  for (const node of model.graph.nodes) {
    const value = node.opType === 'Constant' ? node.attributes.get('value') : undefined;
    if (node.opType === 'Constant' && node.outputs[0]) {
      const tensor = value?.type === 'tensor' ? value.value : undefined;
      values.set(node.outputs[0], tensor?.dtype === 'float' ? (tensor.data as Float32Array) : undefined);
    }
  }
  return values;
}

function plain(attributes: ReadonlyMap<string, Attribute>): Record<string, number | string | readonly number[]> {
  const out: Record<string, number | string | readonly number[]> = {};
  for (const [name, a] of attributes) {
    if (a.type === 'int' || a.type === 'float' || a.type === 'string' || a.type === 'ints' || a.type === 'floats')
      out[name] = a.value;
  }
  return out;
}
