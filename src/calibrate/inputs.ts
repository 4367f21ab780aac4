import type { Layer, LayerUse } from '../graph/layers.ts';
import { convWindow } from '../graph/window.ts';
import { asFloats } from '../grid/weight.ts';
import { sizeOf, type Tensor } from '../tensor.ts';
import type { Wasm } from '../wasm/wasm.ts';
import { type Change, GramAccumulator } from './gram.ts';
import { PullAccumulator } from './pull.ts';

/** Gram matrices with more elements than this are not kept; the layer's errors are then measured unweighted. */
export const MAX_GRAM = 1 << 26;

/** Input of a table's operator that says which rows are looked up, by operator and input of the table. */
const INDICES: Readonly<Record<string, Readonly<Record<number, number>>>> = {
  Gather: { 0: 1 },
  EmbedLayerNormalization: { 2: 0, 4: 1 },
};

/** Calls `body` with a pointer to a tensor's elements as floats, copied into wasm memory where they do not lie there. */
export function inWasm(wasm: Wasm, tensor: Tensor, body: (at: number) => void): void {
  const { arena } = wasm;
  const data = asFloats(wasm, tensor);
  if (data.buffer === arena.memory.buffer) body(data.byteOffset);
  else
    arena.scope((alloc) => {
      const at = alloc(data.byteLength);
      arena.put(at, data);
      body(at);
    });
}

/** Whether `LayerInputs` can tell what a use of a weight multiplies, column by column as the layer counts them. */
function multiplies({ node, opType, index, plain, dims }: LayerUse, layer: Layer): boolean {
  if (!plain) return false;
  switch (opType) {
    case 'MatMul':
    case 'Gemm':
      return true;
    case 'Conv':
      return node.opType !== 'DeformConv' && dims.length <= 4;
    case 'RNN':
    case 'GRU':
    case 'LSTM':
      // What R multiplies are states in between, which no value of the graph holds.
      return index === 1 && layer.groups === 1;
    default:
      return false;
  }
}

/** Whether what a layer's nodes multiply can be measured: a Gram matrix of it makes sense, and fits. */
function measurable({ uses, groups, cols }: Layer): boolean {
  return groups * cols * cols <= MAX_GRAM && !uses.some((u) => u.opType === 'ConvTranspose');
}

/** Uses of a layer's weight whose inputs `LayerInputs` puts into the Gram matrix. */
export function multiplyingUses(layer: Layer): readonly LayerUse[] {
  return measurable(layer) ? layer.uses.filter((u) => multiplies(u, layer)) : [];
}

/** What the nodes of one layer multiply by its weight, or look up in it, over all runs. */
export class LayerInputs {
  private readonly gram: GramAccumulator | undefined;
  private readonly pull: PullAccumulator | undefined;
  private readonly lookups: Float64Array | undefined;
  private seen = false;
  private products = true;
  /** Sums of squares: of changes, and of the inputs. */
  private readonly squares = { change: 0, inputs: 0 };

  /**
   * @param weights in row form, of this layer or of several stacked, where what the inputs were originally is to be taken in
   * @param samples that are to come, where a part of what many of them hold will do
   */
  constructor(
    private readonly wasm: Wasm,
    private readonly layer: Layer,
    weights?: Float32Array,
    samples?: number,
  ) {
    const { uses, rows, cols, groups } = layer;
    if (uses.some((u) => u.opType === 'Gather' && u.plain)) this.lookups = new Float64Array(rows);
    if (multiplyingUses(layer).length === 0) return;
    this.gram = new GramAccumulator(wasm, groups, cols, samples);
    if (weights) this.pull = new PullAccumulator(wasm, groups, weights.length / cols, cols, weights);
  }

  /**
   * Takes in what a node of the layer was run on.
   * @param original what it is run on in the original model, of the same shapes, where weights were given
   */
  visit(
    use: LayerUse,
    inputs: readonly (Tensor | undefined)[],
    original: Tensor | undefined = inputs[use.input],
  ): void {
    if (use.opType === 'Gather') this.lookUp(use, inputs);
    else if (this.gram && multiplies(use, this.layer)) {
      const x = inputs[use.input];
      if (x && original && sizeOf(x.dims) > 0) this.multiply(this.gram, use, x, original, inputs);
    }
  }

  /**
   * E[x x'], E[x] and, of originals y and weights w, E[(w y - w x) x'] [rows of w, cols], absent where nothing was multiplied,
   * and the share of each row in all look-ups.
   */
  read(): {
    gram: Float32Array | undefined;
    mean: Float32Array | undefined;
    pull: Float32Array | undefined;
    rowWeights: Float64Array | undefined;
  } {
    const total = this.lookups?.reduce((a, b) => a + b, 0) ?? 0;
    return {
      gram: this.seen && this.products ? this.gram?.read() : undefined,
      mean: this.seen ? this.gram?.mean() : undefined,
      pull: this.seen ? this.pull?.read() : undefined,
      rowWeights: total > 0 ? this.lookups!.map((c) => c / total) : undefined,
    };
  }

  dispose(): void {
    this.gram?.dispose();
    this.pull?.dispose();
  }

  /** Mean square of what the inputs changed by, as a share of their own; 0 where nothing was multiplied. */
  get change(): number {
    const { change, inputs } = this.squares;
    return change > 0 ? change / inputs : 0;
  }

  /** Leaves E[x x'] away from now on: for inputs so little changed that the one they had will do. */
  withoutProducts(): void {
    this.products = false;
    this.gram?.withoutProducts();
  }

  private compare(by: number, at: number, n: number): void {
    const { arena, k } = this.wasm;
    arena.scope((alloc) => {
      const out = alloc(16);
      k.sum_squares(by, n, out);
      k.sum_squares(at, n, out + 8);
      const [change, inputs] = arena.f64(out, 2) as unknown as [number, number];
      this.squares.change += change;
      this.squares.inputs += inputs;
    });
  }

  private lookUp({ node, index, plain }: LayerUse, inputs: readonly (Tensor | undefined)[]): void {
    const at = INDICES[node.opType]?.[index];
    const indices = at === undefined ? undefined : inputs[at];
    const counts = this.lookups;
    if (!plain || !indices || !counts) return;
    for (const value of indices.data) {
      const i = Number(value) < 0 ? Number(value) + counts.length : Number(value);
      if (i >= 0 && i < counts.length) counts[i]! += 1;
    }
  }

  private multiply(
    gram: GramAccumulator,
    use: LayerUse,
    x: Tensor,
    original: Tensor,
    inputs: readonly (Tensor | undefined)[],
  ): void {
    const { layer, wasm, pull } = this;
    const add = adding(wasm, layer, use, x, inputs);
    if (!add) return;
    const n = sizeOf(x.dims);
    inWasm(wasm, x, (at) => {
      if (!pull || original === x) add(gram, at);
      else
        inWasm(wasm, original, (from) =>
          wasm.arena.scope((alloc) => {
            const by = alloc(4 * n);
            wasm.k.sub(from, at, by, n);
            this.compare(by, at, n);
            add(gram, at, { by, to: pull });
          }),
        );
    });
    this.seen = true;
  }
}

/** Adds the inputs at an address, and what they were. */
type Add = (gram: GramAccumulator, at: number, change?: Change) => void;

/** How inputs x of a use are added; undefined where their rows are not the layer's columns. */
function adding(
  wasm: Wasm,
  layer: Layer,
  { node, opType, index, dims }: LayerUse,
  x: Tensor,
  inputs: readonly (Tensor | undefined)[],
): Add | undefined {
  const is = (name: string) => Number(node.attributes.get(name)?.value ?? 0) !== 0;
  const rows: Add = (gram, at, change) => gram.addRows(at, sizeOf(x.dims) / layer.cols, change);
  if (opType === 'Conv') {
    const [images, channels] = x.dims as [number, number];
    const window = convWindow(node, dims, x.dims);
    return (gram, at, change) => gram.addWindows(at, images, channels / layer.groups, window, change);
  }
  if (opType === 'MatMul' || opType === 'Gemm') {
    // Where every matrix of a batch of weights has its own inputs there is no E[x x'] that is all rows'.
    if (layer.lead > 0 && x.dims.length > 2) return undefined;
    const right = index === 1;
    return right === is(right ? 'transA' : 'transB') ? columns(wasm, x) : rows;
  }
  const steps = is('layout') ? x.dims[1]! : x.dims[0]!;
  // Steps behind the end of a shorter sequence are no inputs.
  return inputs[4]?.data.some((n) => Number(n) !== steps) ? undefined : rows;
}

/** Adds the columns of every matrix [cols, n] of x. */
function columns({ arena, k }: Wasm, x: Tensor): Add {
  const [cols, n] = x.dims.length < 2 ? [x.dims[0]!, 1] : (x.dims.slice(-2) as [number, number]);
  const matrices = sizeOf(x.dims) / (cols * n);
  return (gram, at, change) =>
    arena.scope((alloc) => {
      const turned = alloc(4 * n * cols);
      const other = change ? alloc(4 * n * cols) : 0;
      for (let m = 0; m < matrices; m++) {
        const skip = 4 * m * n * cols;
        k.transpose(at + skip, cols, n, turned);
        if (change) k.transpose(change.by + skip, cols, n, other);
        gram.addRows(turned, n, change && { by: other, to: change.to });
      }
    });
}
