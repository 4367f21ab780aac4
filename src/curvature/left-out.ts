import type { Call } from '../gradient/index.ts';
import type { Layer } from '../graph/layers.ts';
import type { Session, Trace } from '../graph/session.ts';
import type { Node } from '../onnx/model.ts';
import { sizeOf, type Tensor } from '../tensor.ts';
import type { Wasm } from '../wasm/wasm.ts';
import type { MetricContext } from './metric.ts';

/** Operators whose result at an element hangs on the elements there alone. */
const ELEMENTWISE = new Set(
  (
    'Abs Add Celu Clip Div Elu Erf Exp Gelu HardSigmoid HardSwish Identity LeakyRelu Max Min Mish Mul Neg Pow PRelu Relu Selu ' +
    'Sigmoid Softplus Softsign Sqrt Sub Tanh ThresholdedRelu'
  ).split(' '),
);

/**
 * The last value that is a function of each of a layer's rows by itself: its output through bias and activation, as long as
 * all that hangs on it goes through one value. @returns the output itself where there is none beyond it
 */
export function tailOf(session: Session, trace: Pick<Trace, 'nodes' | 'values'>, layer: Layer): string {
  const { nodes } = trace;
  const output = layer.nodes[0]!.outputs[0]!;
  const made = new Set(nodes.flatMap((n) => n.outputs));
  const given = new Set(session.inputs.map((i) => i.name));
  const ends = new Set(session.outputs.map((o) => o.name));
  const own = new Set([output]);
  const through = new Set<Node>();
  let tail = output;
  /** A constant of one element, or one for each row. */
  const plain = (name: string): boolean => {
    if (name === '') return true;
    if (made.has(name) || given.has(name)) return false;
    const size = sizeOf(session.value(trace as Trace, name).dims);
    return size === 1 || size === layer.rows;
  };
  for (const node of nodes) {
    const reads = node.inputs.some((v) => own.has(v));
    if (!reads || node.domain !== '' || !ELEMENTWISE.has(node.opType)) continue;
    if (!node.inputs.every((v) => own.has(v) || plain(v))) continue;
    through.add(node);
    own.add(node.outputs[0]!);
    // Values that something else reads as well.
    const open = [...own].filter((v) => ends.has(v) || readBeyond(nodes, v, through));
    if (open.length === 1) tail = open[0]!;
  }
  return tail;
}

function readBeyond(nodes: readonly Node[], value: string, through: ReadonlySet<Node>): boolean {
  return nodes.some((n) => n.inputs.includes(value) && !through.has(n));
}

/**
 * How much each row of a layer counts that is left out and gives what it gave on average: the sum over samples of
 * (g . (c - a))^2, where a is what the row gives, its bias and activation passed, c what the average comes to there, and g the
 * gradient at a of a random projection of the network's outputs. Gradient and change meet place by place: they are not
 * independent (a unit that is off has no gradient; keys of attention may all move alike). Past the activation, since the step
 * from what a row gives to its average is too long for the slope at its start.
 */
export class LeftOut {
  readonly #sums: Float64Array;

  /** @param constants c of every row */
  constructor(
    private readonly wasm: Wasm,
    private readonly layer: Layer,
    private readonly constants: Float32Array,
  ) {
    this.#sums = new Float64Array(layer.rows);
  }

  /** @param call the node that makes a */
  visit(call: Call, samples: number): void {
    const a = call.outputs[0]!;
    const dy = call.dy[0]!;
    const { rows } = this.layer;
    const inner = innerOf(this.layer, a.dims);
    const n = a.data.length;
    if (n === 0) return;
    const parts = samples > 0 && (a.dims[0] ?? 0) % samples === 0 ? samples : 1;
    const blocks = n / (rows * inner);
    const { k, arena } = this.wasm;
    const [g, x] = [addressOf(dy), addressOf(a)];
    arena.scope((alloc) => {
      const ones = alloc(4 * n);
      const out = alloc(8 * parts * rows);
      arena.f32(ones, n).fill(1);
      const dots = arena.f64(out, parts * rows).fill(0);
      k.channel_dots(g, ones, parts, blocks / parts, rows, inner, out);
      const slopes = dots.slice();
      dots.fill(0);
      k.channel_dots(g, x, parts, blocks / parts, rows, inner, out);
      for (let i = 0; i < parts * rows; i++) {
        const r = i % rows;
        const change = this.constants[r]! * slopes[i]! - dots[i]!;
        this.#sums[r] = this.#sums[r]! + change * change;
      }
    });
  }

  /** Damage of each row left out alone: half the mean over samples. */
  read(samples: number): Float64Array {
    return this.#sums.map((s) => s / (2 * Math.max(1, samples)));
  }
}

/**
 * What every layer's rows come to at `tails` when they give what they give on average: one run with all their weights 0 and
 * their biases moved. Layers for which that is no number, or not the same at every place, are not among them.
 */
export function averages(
  { session, candidates }: Pick<MetricContext, 'session' | 'candidates'>,
  feeds: Readonly<Record<string, Tensor>>,
  tails: ReadonlyMap<Layer, string>,
): Map<Layer, Float32Array> {
  const weights = new Map<string, Tensor>();
  for (const layer of tails.keys()) {
    const { rows, cols } = layer;
    const bias = candidates.bias(layer, new Array<number>(rows).fill(0))!;
    weights.set(layer.weight, candidates.shaped(layer, new Float32Array(rows * cols)));
    weights.set(bias.name, bias.tensor);
  }
  const values = session.run(feeds, { weights, fetch: [...new Set(tails.values())] });
  const found = new Map<Layer, Float32Array>();
  for (const [layer, tail] of tails) {
    const { dims, data } = values[tail] as Tensor & { data: Float32Array };
    const inner = innerOf(layer, dims);
    const first = Float32Array.from({ length: layer.rows }, (_, r) => data[r * inner] ?? Number.NaN);
    const same = data.every((v, i) => v === first[Math.floor(i / inner) % layer.rows]);
    if (same && first.every(Number.isFinite)) found.set(layer, first);
  }
  return found;
}

/** Elements of one row at one sample, or one place of it, that lie side by side. */
function innerOf({ opType }: Layer, dims: readonly number[]): number {
  return opType === 'Conv' ? sizeOf(dims.slice(2)) : 1;
}

/** Address of a tensor in wasm memory. */
function addressOf(t: Tensor): number {
  return (t.data as Float32Array).byteOffset;
}
