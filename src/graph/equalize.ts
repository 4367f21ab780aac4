import { makeInitializer, withNode } from '../onnx/index.ts';
import type { Initializer, Model, Node } from '../onnx/model.ts';
import { DATA_TYPES, sizeOf, type Tensor, tensor } from '../tensor.ts';
import { freshNames, mapNodes, withInitializers, withoutUnused } from './edit.ts';
import { constantNames, type Uses, usesOf } from './uses.ts';

/** Two weights, by name, whose shared channels were scaled against each other. */
export interface EqualizedPair {
  readonly first: string;
  readonly second: string;
}

/** Scales stop where none moves by more than this share, or after that many rounds. */
const SETTLED = 1e-3;
const ROUNDS = 64;
/** Largest scale of a channel, and one over the smallest: powers of a float's range are left to the values themselves. */
const LARGEST = 2 ** 24;

/**
 * Cross-layer equalization (M. Nagel, M. van Baalen, T. Blankevoort, M. Welling, "Data-Free Quantization Through Weight
 * Equalization and Bias Correction", ICCV 2019, section 4.1): what the first of two layers puts out in channel i is divided by
 * s_i = sqrt(r1_i r2_i) / r2_i, and the second's weights for it multiplied, r being the largest |weight| of the channel, until no
 * scale moves. The function stays the same, up to rounding, where nothing but positively homogeneous operators (Relu, LeakyRelu,
 * PRelu, pooling, products with constants) and biases stand between, and nothing else reads what they make. Layers are Conv
 * (groups and depthwise too), ConvTranspose, Gemm and MatMul with float weights of their own; a depthwise one between two others
 * is balanced with both. Channels whose weights are all zero on either side keep their scale.
 *
 * Meant for one scale a tensor on networks whose channels differ by orders of magnitude (depthwise convolutions above all). With
 * one scale a row it hardly helps and can harm, and so it can where clips are chosen by the error at the layer's output: rows
 * are balanced by their own scales then, and what is evened out between a layer's inputs is taken from its outputs.
 * @param model best one whose BatchNormalization is folded, as `prepareModel` gives it
 * @returns the model with those weights and biases replaced, nothing else changed; and the pairs, in the order of the graph
 */
export function equalize(model: Model): { model: Model; pairs: readonly EqualizedPair[] } {
  const finder = new Finder(model);
  const pairs = model.graph.nodes.flatMap((node) => finder.pairFrom(node) ?? []);
  if (pairs.length === 0) return { model, pairs: [] };
  for (let round = 0; round < ROUNDS; round++) {
    let moved = 0;
    for (const pair of pairs) moved = Math.max(moved, balance(pair));
    if (moved <= SETTLED) break;
  }
  return {
    model: applied(model, pairs, finder.uses),
    pairs: pairs.map(({ first, second }) => ({ first: first.weight.name, second: second.weight.name })),
  };
}

/**
 * A weight by its channels: [outs, ins / groups, taps] where rows come first, [ins, outs / groups, taps] otherwise. Its element is
 * w[out, in] times scaleIn[in] over scaleOut[out].
 */
interface Factor {
  readonly node: Node;
  readonly weight: Initializer;
  readonly data: Float32Array;
  readonly rowsFirst: boolean;
  readonly groups: number;
  readonly outs: number;
  readonly ins: number;
  readonly taps: number;
  readonly scaleOut: Float64Array;
  readonly scaleIn: Float64Array;
}

/** A constant added to what the first layer of a pair puts out: input `index` of `node`, its channels along `axis`. */
interface Bias {
  readonly node: Node;
  readonly index: number;
  readonly value: Initializer;
  readonly axis: number;
}

interface Pair {
  readonly first: Factor;
  readonly second: Factor;
  readonly biases: readonly Bias[];
}

/** Calls `body` for the taps of every pair of channels that a weight connects. */
function eachBlock(f: Factor, body: (out: number, inn: number, start: number) => void): void {
  const [a, b] = f.rowsFirst ? [f.outs, f.ins / f.groups] : [f.ins, f.outs / f.groups];
  const each = a / f.groups;
  for (let i = 0, at = 0; i < a; i++) {
    const base = Math.floor(i / each) * b;
    for (let j = 0; j < b; j++, at += f.taps)
      if (f.rowsFirst) body(i, base + j, at);
      else body(base + j, i, at);
  }
}

/** Largest |weight| of every output channel, or of every input channel, as it is scaled now. */
function ranges(f: Factor, of: 'outs' | 'ins'): Float64Array {
  const found = new Float64Array(f[of]);
  eachBlock(f, (out, inn, start) => {
    let most = 0;
    for (let i = start; i < start + f.taps; i++) {
      const size = Math.abs(f.data[i]!);
      if (size > most) most = size;
    }
    const scaled = (most * f.scaleIn[inn]!) / f.scaleOut[out]!;
    const at = of === 'outs' ? out : inn;
    if (scaled > found[at]!) found[at] = scaled;
  });
  return found;
}

/** Balances the channels of one pair. @returns the largest share by which a scale moved */
function balance({ first, second }: Pair): number {
  const left = ranges(first, 'outs');
  const right = ranges(second, 'ins');
  // Behind a Flatten every channel is several inputs in a row.
  const places = second.ins / first.outs;
  let moved = 0;
  for (let c = 0; c < first.outs; c++) {
    let range = 0;
    for (let i = c * places; i < (c + 1) * places; i++) range = Math.max(range, right[i]!);
    const ratio = Math.sqrt(left[c]! / range);
    if (!(Number.isFinite(ratio) && ratio > 0)) continue;
    const before = first.scaleOut[c]!;
    const after = Math.min(LARGEST, Math.max(1 / LARGEST, before * ratio));
    first.scaleOut[c] = after;
    second.scaleIn.fill(after, c * places, (c + 1) * places);
    moved = Math.max(moved, Math.abs(after / before - 1));
  }
  return moved;
}

/** The model with the scales in its weights and biases. */
function applied(model: Model, pairs: readonly Pair[], uses: Uses): Model {
  const fresh = freshNames(model);
  const made: Initializer[] = [];
  const factors = new Set(pairs.flatMap(({ first, second }) => [first, second]));
  for (const f of factors) made.push(makeInitializer(f.weight.name, scaledWeight(f)));
  const inputs = new Map<Node, string[]>();
  const left = new Set<string>();
  for (const { first, biases } of pairs)
    for (const { node, index, value, axis } of biases) {
      const alone = uses.readers.get(value.name)?.length === 1 && node.inputs.lastIndexOf(value.name) === index;
      const own = alone && !uses.outputs.has(value.name);
      const name = own ? value.name : fresh(`${value.name}.equalized`);
      made.push(makeInitializer(name, scaledBias(value, axis, first.scaleOut)));
      if (own) continue;
      const list = inputs.get(node) ?? [...node.inputs];
      list[index] = name;
      inputs.set(node, list);
      left.add(value.name);
    }
  const renamed =
    inputs.size === 0 ? model : mapNodes(model, (n) => (inputs.has(n) ? withNode(n, { inputs: inputs.get(n)! }) : n));
  return withoutUnused(withInitializers(renamed, made), left);
}

function scaledWeight(f: Factor): Tensor {
  const data = new Float32Array(f.data.length);
  eachBlock(f, (out, inn, start) => {
    const scale = f.scaleIn[inn]! / f.scaleOut[out]!;
    for (let i = start; i < start + f.taps; i++) data[i] = f.data[i]! * scale;
  });
  return tensor('float', f.weight.dims, data);
}

function scaledBias(bias: Initializer, axis: number, scales: Float64Array): Tensor {
  const { dims, data } = bias.tensor();
  const inner = sizeOf(dims.slice(axis + 1));
  return tensor(
    'float',
    dims,
    (data as Float32Array).map((v, i) => v / scales[Math.floor(i / inner) % scales.length]!),
  );
}

/** Where the channels of a value are: the second of `rank` axes, or the last of any number. */
type Layout = { readonly second: number } | 'last';

class Finder {
  readonly uses: Uses;
  private readonly constants: ReadonlyMap<string, Initializer>;
  private readonly factors = new Map<Node, Factor | undefined>();

  constructor(model: Model) {
    this.uses = usesOf(model.graph);
    const names = constantNames(model);
    this.constants = new Map(model.graph.initializers.filter((i) => names.has(i.name)).map((i) => [i.name, i]));
  }

  /** The pair that begins with a node's weight. */
  pairFrom(node: Node): Pair | undefined {
    const first = this.factor(node);
    if (first === undefined) return undefined;
    let layout: Layout = isConvolution(node) ? { second: first.weight.dims.length } : 'last';
    const biases: Bias[] = [];
    if (node.inputs[2]) {
      const bias = this.bias(node, 2, isConvolution(node) ? { second: 2 } : layout, first.outs);
      if (bias === undefined) return undefined;
      biases.push(bias);
    }
    let flat = false;
    // The graph has no cycles once it runs, but nobody has run it yet.
    const seen = new Set<Node>([node]);
    for (let value = node.outputs[0]!; ; ) {
      const next = this.onlyReader(value);
      if (next === undefined || seen.has(next)) return undefined;
      seen.add(next);
      const second = next.inputs.lastIndexOf(value) === 0 ? this.factor(next) : undefined;
      if (second !== undefined) {
        const fits = flat ? second.ins % first.outs === 0 : second.ins === first.outs;
        return fits && isConvolution(next) === (layout !== 'last') ? { first, second, biases } : undefined;
      }
      if (layout !== 'last' && isFlatten(next)) {
        layout = 'last';
        flat = true;
      } else if (['Add', 'Sub'].includes(next.opType) && next.domain === '' && !flat) {
        // c - x has the wrong sign.
        const index = next.inputs[0] === value ? 1 : next.opType === 'Add' ? 0 : -1;
        const bias = this.bias(next, index, layout, first.outs);
        if (bias === undefined) return undefined;
        biases.push(bias);
      } else if (!this.homogeneous(next, value, layout)) return undefined;
      value = next.outputs[0]!;
    }
  }

  private onlyReader(value: string): Node | undefined {
    const readers = this.uses.readers.get(value);
    return readers?.length === 1 && !this.uses.outputs.has(value) ? readers[0] : undefined;
  }

  /** The weight of a node, where it is a float constant that nothing else reads. */
  private factor(node: Node): Factor | undefined {
    if (!this.factors.has(node)) this.factors.set(node, this.makeFactor(node));
    return this.factors.get(node);
  }

  private makeFactor(node: Node): Factor | undefined {
    if (node.domain !== '' || !['Conv', 'ConvTranspose', 'Gemm', 'MatMul'].includes(node.opType)) return undefined;
    const weight = this.constants.get(node.inputs[1] ?? '');
    if (weight === undefined || weight.dataType !== DATA_TYPES.float || this.onlyReader(weight.name) !== node)
      return undefined;
    if (node.inputs.indexOf(weight.name) !== 1 || node.inputs.lastIndexOf(weight.name) !== 1) return undefined;
    const { dims } = weight;
    const convolution = isConvolution(node);
    if ((convolution ? dims.length < 3 : dims.length !== 2) || dims.some((d) => d < 1)) return undefined;
    if (int(node, 'transA') !== 0) return undefined;
    const groups = convolution ? int(node, 'group', 1) : 1;
    const rowsFirst = node.opType === 'Conv' || int(node, 'transB') !== 0;
    const [a, b] = dims as [number, number];
    if (!Number.isSafeInteger(groups) || groups < 1 || a % groups !== 0) return undefined;
    const [outs, ins] = rowsFirst ? [a, b * groups] : [b * groups, a];
    return {
      node,
      weight,
      data: weight.tensor().data as Float32Array,
      rowsFirst,
      groups,
      outs,
      ins,
      taps: sizeOf(dims.slice(2)),
      scaleOut: new Float64Array(outs).fill(1),
      scaleIn: new Float64Array(ins).fill(1),
    };
  }

  /** A constant with a number of its own for each channel. */
  private bias(node: Node, index: number, layout: Layout, channels: number): Bias | undefined {
    const value = this.constants.get(node.inputs[index] ?? '');
    if (value?.dataType !== DATA_TYPES.float || node.inputs.indexOf(value.name) !== index) return undefined;
    const rank = value.dims.length;
    const axis = layout === 'last' ? rank - 1 : rank - layout.second + 1;
    return rank <= rankOf(layout) && value.dims[axis] === channels ? { node, index, value, axis } : undefined;
  }

  /** Whether f(s x) = s f(x) channel by channel for every s > 0, and channels stay where they are. */
  private homogeneous(node: Node, value: string, layout: Layout): boolean {
    const { opType, domain, inputs, attributes } = node;
    const constant = (index: number) => this.constants.get(inputs[index] ?? '');
    const factor = (index: number) => (constant(index)?.dims.length ?? Number.POSITIVE_INFINITY) <= rankOf(layout);
    if (domain !== '') return false;
    const first = inputs[0] === value;
    switch (opType) {
      case 'Relu':
      case 'LeakyRelu':
      case 'Identity':
        return true;
      case 'PRelu':
        return first && factor(1);
      case 'Dropout':
        return !inputs[2] && node.outputs.slice(1).every((o) => o === '' || !this.uses.readers.has(o));
      case 'MaxPool':
      case 'AveragePool':
      case 'LpPool':
      case 'GlobalMaxPool':
      case 'GlobalAveragePool':
      case 'GlobalLpPool':
        return layout !== 'last';
      case 'Mul':
        return factor(first ? 1 : 0);
      case 'Div':
        return first && factor(1);
      case 'Clip':
        return first && inputs.length < 2 && Number(attributes.get('min')?.value) === 0 && !attributes.has('max');
      default:
        return false;
    }
  }
}

function rankOf(layout: Layout): number {
  return layout === 'last' ? Number.MAX_SAFE_INTEGER : layout.second;
}

function int(node: Node, name: string, otherwise = 0): number {
  return Number(node.attributes.get(name)?.value ?? otherwise);
}

function isConvolution(node: Node): boolean {
  return node.opType === 'Conv' || node.opType === 'ConvTranspose';
}

/** A Flatten that keeps the samples apart. */
function isFlatten(node: Node): boolean {
  return node.opType === 'Flatten' && node.domain === '' && int(node, 'axis', 1) === 1;
}
