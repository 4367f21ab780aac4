import type { Plan } from '../allocate/types.ts';
import type { Calibration } from '../calibrate/calibrate.ts';
import type { Candidates, Width } from '../curvature/candidates.ts';
import { curvatureOf, type OperatorCurvature } from '../curvature/operators.ts';
import { layerSpectrum } from '../curvature/spectra.ts';
import { bodiesOf, readsOf } from '../graph/bodies.ts';
import type { Layer, LayerUse } from '../graph/layers.ts';
import { orderedNodes } from '../graph/order.ts';
import type { Attribute, Initializer, Model, Node } from '../onnx/model.ts';
import type { Wasm } from '../wasm/wasm.ts';

/** One layer's part of that bound. */
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

/** Theorem 3.4's bound on the error of the outputs. */
export interface ErrorEstimate {
  /** Bound on the l2 error of one sample's float outputs, summed over outputs: the sum of the contributions. */
  readonly total: number;
  readonly layers: readonly LayerError[];
  /**
   * proved: every constant holds everywhere, so the bound holds for every sample whose layer inputs are no larger than the
   * calibrated ones, the calibration samples among them. proxy: some operator's constant holds on the calibrated range only,
   * or none is known.
   */
  readonly label: 'proved' | 'proxy';
  /** Operators that errors pass through whose constants hold on the calibrated range only, or are not bounded. */
  readonly conditional: readonly string[];
}

/** Operators whose constants, where they are finite, hold at every point. */
const EVERYWHERE = new Set(
  (
    'Conv Gemm ConvTranspose Add Sub Sum Mean Relu LeakyRelu PRelu Clip Sigmoid Tanh Erf Gelu Softplus Mish Softmax LogSoftmax MaxPool ' +
    'AveragePool GlobalAveragePool GlobalMaxPool ReduceMean ReduceSum ReduceMax ReduceMin Reshape Flatten Transpose Squeeze ' +
    'Unsqueeze Identity Dropout Concat Slice Split Pad Cast BatchNormalization Expand Tile Max Min Neg Abs HardSigmoid HardSwish Elu ' +
    'Selu Celu Where Gather Trilu DepthToSpace SpaceToDepth'
  ).split(' '),
);

/** Operators of which a value's elements do not reach the output: only its shape does. */
const SHAPES = new Set(['Shape', 'Size']);

/** Operators with a weight, and the input it is. */
const WEIGHTED: Readonly<Record<string, number>> = { Gemm: 1, MatMul: 1, Conv: 1, ConvTranspose: 1 };

/**
 * Theorem 3.4 on a graph: |error of the outputs| <= sum over layers of A(l) |dW_l x_l|, where A(v) is the sum over the
 * consumers c of v of A(c) L_c, the norms downstream are those of the quantized layers, x_l are the layer's inputs in the
 * exact network, and dW is the exact weight error.
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
  const bits = new Map(plan.layers.map((l) => [l.weight, l.rowBits ?? l.bits]));
  const norms = new Norms(wasm, model, layers, candidates, bits);
  const nodes = orderedNodes(model.graph);
  const wrong = wrongValues(nodes, norms);
  const isFloat = (v: string) => calibration.values.has(v);
  const constants = constantValues(model);
  const conditional = new Set<string>();
  const amplification = new Map<string, number>(
    model.graph.outputs.filter((o) => isFloat(o.name)).map((o) => [o.name, 1]),
  );
  const found: LayerError[] = [];
  for (const node of [...nodes].reverse()) {
    const above = node.outputs.reduce((sum, o) => sum + (amplification.get(o) ?? 0), 0);
    if (above === 0) continue;
    const layer = norms.layerOf.get(node);
    if (layer) found.push(layerError(layer, node, above, norms.error(layer, node), calibration));
    if (bodiesOf(node).length > 0) {
      const moved = readsOf(node).filter((v) => wrong.has(v));
      if (moved.length > 0) conditional.add(node.opType);
      for (const v of moved) amplification.set(v, Number.POSITIVE_INFINITY);
      continue;
    }
    const moving = node.inputs.map((v) => wrong.has(v));
    if (!moving.some(Boolean) || SHAPES.has(node.opType)) continue;
    const curvature = nodeCurvature(node, norms.own(node), calibration, constants);
    if (!EVERYWHERE.has(node.opType) && !linearInOne(node, constants)) conditional.add(node.opType);
    node.inputs.forEach((v, i) => {
      if (!moving[i]) return;
      // An error that changes an integer or a truth value is not bounded by its size.
      const through = isFloat(v) ? (curvature?.perInput[i] ?? curvature?.lipschitz) : undefined;
      const lipschitz = through ?? Number.POSITIVE_INFINITY;
      if (!Number.isFinite(lipschitz)) conditional.add(node.opType);
      amplification.set(v, (amplification.get(v) ?? 0) + (lipschitz === 0 ? 0 : above * lipschitz));
    });
  }
  for (const layer of layers) {
    const lost = norms.isQuantized(layer) ? layer.uses.find((u) => !isFollowed(u, nodes)) : undefined;
    if (lost === undefined) continue;
    const { name, weight } = layer;
    const none = Number.POSITIVE_INFINITY;
    found.push({ name, weight, local: none, amplification: none, contribution: none });
    conditional.add(lost.node.opType);
  }
  const merged = mergeShared(layers, found);
  return {
    total: merged.reduce((sum, l) => sum + l.contribution, 0),
    layers: merged,
    label: conditional.size === 0 ? 'proved' : 'proxy',
    conditional: [...conditional].sort(),
  };
}

/** Whether an error of the weight is bounded at the node's output: by the norm of the matrix, or table, of its rows. */
function isFollowed({ node, index, plain }: LayerUse, nodes: readonly Node[]): boolean {
  const expected = node.opType === 'Gather' ? 0 : WEIGHTED[node.opType];
  return plain && node.domain === '' && index === expected && nodes.includes(node);
}

/** The values that a quantized layer's error may change. */
function wrongValues(nodes: readonly Node[], norms: Norms): Set<string> {
  const wrong = new Set<string>();
  for (const node of nodes) {
    const layer = norms.layerOf.get(node);
    const reached = !SHAPES.has(node.opType) && readsOf(node).some((v) => wrong.has(v));
    if (reached || (layer && norms.isQuantized(layer))) for (const o of node.outputs) if (o !== '') wrong.add(o);
  }
  return wrong;
}

/** A product with one constant factor is linear: its constant holds everywhere. */
function linearInOne(node: Node, constants: ReadonlyMap<string, unknown>): boolean {
  const [a, b] = node.inputs.map((v) => constants.has(v));
  if (node.opType === 'Div') return !a && b === true;
  return (node.opType === 'Mul' || node.opType === 'MatMul') && a !== b;
}

/** Norms of weighted nodes and of their errors, each computed once. */
class Norms {
  readonly layerOf = new Map<Node, Layer>();
  private readonly known = new Map<string, number>();
  private readonly initializers: ReadonlyMap<string, Initializer>;

  constructor(
    private readonly wasm: Wasm,
    model: Model,
    layers: readonly Layer[],
    private readonly candidates: Candidates,
    private readonly bits: ReadonlyMap<string, Width>,
  ) {
    for (const layer of layers) for (const node of layer.nodes) this.layerOf.set(node, layer);
    this.initializers = new Map(model.graph.initializers.map((t) => [t.name, t]));
  }

  isQuantized(layer: Layer): boolean {
    return (this.bits.get(layer.weight) ?? 32) !== 32;
  }

  /** Of the map that the node makes of its activation, with the weight it runs with; undefined where the weight is none. */
  own(node: Node): number | undefined {
    const layer = this.layerOf.get(node);
    if (layer) {
      const width = this.bits.get(layer.weight) ?? 32;
      return this.norm(`own ${node.opType} ${layer.weight}`, () =>
        this.of(layer, node, width === 32 ? this.candidates.float(layer) : this.candidates.values(layer, width)),
      );
    }
    const name = node.inputs[WEIGHTED[node.opType] ?? -1];
    const weight = name === undefined ? undefined : this.initializers.get(name);
    if (weight?.dataType !== 1 || weight.dims.length < 2) return undefined;
    if (node.opType === 'MatMul' && weight.dims.length !== 2) return undefined;
    return this.norm(`left ${node.opType} ${name} ${node.outputs[0]}`, () => this.ofLeft(node, weight));
  }

  /** Of the node's weight error. */
  error(layer: Layer, node: Node): number {
    if (!this.isQuantized(layer)) return 0;
    return this.norm(`error ${node.opType} ${layer.weight}`, () => {
      const float = this.candidates.float(layer);
      const width = this.bits.get(layer.weight)!;
      const values = this.candidates.values(layer, width);
      // A row left out gives w E[x]: its error w (x - E[x]) is at most twice |w| times the largest |x|.
      if (typeof width !== 'number')
        for (const [r, bits] of width.entries())
          if (bits === 0) for (let i = r * layer.cols; i < (r + 1) * layer.cols; i++) values[i] = -float[i]!;
      return this.of(
        layer,
        node,
        float.map((w, i) => values[i]! - w),
      );
    });
  }

  private of(layer: Layer, node: Node, rows: Float32Array): number {
    return layerSpectrum(this.wasm, { ...layer, opType: node.opType }, () => rows).sigmaMax;
  }

  /** Of a weight that is not quantized: a transposed matrix has the same norm, and so has a convolution's adjoint. */
  private ofLeft(node: Node, weight: Initializer): number {
    const { dims } = weight;
    const data = weight.tensor().data as Float32Array;
    const rows = dims[0]!;
    const group = node.attributes.get('group');
    return layerSpectrum(
      this.wasm,
      {
        opType: node.opType === 'ConvTranspose' ? 'Conv' : node.opType,
        dims,
        rows,
        cols: data.length / rows,
        groups: group?.type === 'int' ? group.value : 1,
        nodes: [node],
      },
      () => data,
    ).sigmaMax;
  }

  private norm(key: string, make: () => number): number {
    const norm = this.known.get(key) ?? make();
    this.known.set(key, norm);
    return norm;
  }
}

function layerError(layer: Layer, node: Node, above: number, error: number, calibration: Calibration): LayerError {
  const output = calibration.shapes.get(node.outputs[0]!) ?? [];
  // A table's error is that of the rows looked up, at most the largest row error for each of them.
  const lookups = output.reduce((n, d) => n * d, 1) / Math.max(1, layer.cols);
  const reach =
    node.opType === 'Gather'
      ? Math.sqrt(lookups)
      : (calibration.values.get(node.inputs[0]!)?.maxSampleNorm ?? Number.POSITIVE_INFINITY);
  const alpha = node.opType === 'Gemm' ? node.attributes.get('alpha') : undefined;
  const local = product(error * (alpha?.type === 'float' ? Math.abs(alpha.value) : 1), reach);
  return {
    name: layer.name,
    weight: layer.weight,
    local,
    amplification: above,
    contribution: product(local, above),
  };
}

/** Nothing times anything, infinity included, is nothing. */
function product(a: number, b: number): number {
  return a === 0 || b === 0 ? 0 : a * b;
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

const INT64 = 7;

/** Elements of every constant value that is known without running the model: initializers and Constant nodes. */
function constantValues(model: Model): Map<string, ArrayLike<number> | undefined> {
  const values = new Map<string, ArrayLike<number> | undefined>();
  for (const t of model.graph.initializers)
    values.set(t.name, t.dataType === 1 || t.dataType === INT64 ? numbers(t.tensor().data) : undefined);
  for (const node of model.graph.nodes) {
    const value = node.opType === 'Constant' ? node.attributes.get('value') : undefined;
    if (node.opType === 'Constant' && node.outputs[0])
      values.set(node.outputs[0], value?.type === 'tensor' ? numbers(value.value.data) : undefined);
  }
  return values;
}

function numbers(data: ArrayLike<unknown>): ArrayLike<number> | undefined {
  if (data instanceof Float32Array) return data;
  return data instanceof BigInt64Array ? Array.from(data, Number) : undefined;
}

function plain(attributes: ReadonlyMap<string, Attribute>): Record<string, number | string | readonly number[]> {
  const out: Record<string, number | string | readonly number[]> = {};
  for (const [name, a] of attributes) {
    if (a.type === 'int' || a.type === 'float' || a.type === 'string' || a.type === 'ints' || a.type === 'floats')
      out[name] = a.value;
  }
  return out;
}
