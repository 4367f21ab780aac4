import type { Layer, LayerUse } from '../graph/layers.ts';
import { convWindow } from '../graph/window.ts';
import { asFloats } from '../grid/weight.ts';
import { sizeOf, type Tensor } from '../tensor.ts';
import type { Wasm } from '../wasm/wasm.ts';
import { GramAccumulator } from './gram.ts';

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

/** What the nodes of one layer multiply by its weight, or look up in it, over all runs. */
export class LayerInputs {
  private readonly gram: GramAccumulator | undefined;
  private readonly lookups: Float64Array | undefined;
  private seen = false;

  constructor(
    private readonly wasm: Wasm,
    private readonly layer: Layer,
  ) {
    const { uses, rows, cols, groups } = layer;
    if (uses.some((u) => u.opType === 'Gather' && u.plain)) this.lookups = new Float64Array(rows);
    const fits = groups * cols * cols <= MAX_GRAM && !uses.some((u) => u.opType === 'ConvTranspose');
    if (fits && uses.some((u) => multiplies(u, layer))) this.gram = new GramAccumulator(wasm, groups, cols);
  }

  /** Takes in what a node of the layer was run on. */
  visit(use: LayerUse, inputs: readonly (Tensor | undefined)[]): void {
    if (use.opType === 'Gather') this.lookUp(use, inputs);
    else if (this.gram && multiplies(use, this.layer)) {
      const x = inputs[use.input];
      if (x && sizeOf(x.dims) > 0) this.multiply(this.gram, use, x, inputs);
    }
  }

  /** E[x x'], absent where nothing was multiplied, and the share of each row in all look-ups. */
  read(): { gram: Float32Array | undefined; rowWeights: Float64Array | undefined } {
    const total = this.lookups?.reduce((a, b) => a + b, 0) ?? 0;
    return {
      gram: this.seen ? this.gram?.read() : undefined,
      rowWeights: total > 0 ? this.lookups!.map((c) => c / total) : undefined,
    };
  }

  dispose(): void {
    this.gram?.dispose();
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

  private multiply(gram: GramAccumulator, use: LayerUse, x: Tensor, inputs: readonly (Tensor | undefined)[]): void {
    const { node, opType, index, dims } = use;
    const { layer, wasm } = this;
    const is = (name: string) => Number(node.attributes.get(name)?.value ?? 0) !== 0;
    if (opType === 'Conv') {
      const [images, channels] = x.dims as [number, number];
      const window = convWindow(node, dims, x.dims);
      inWasm(wasm, x, (at) => gram.addWindows(at, images, channels / layer.groups, window));
    } else if (opType === 'MatMul' || opType === 'Gemm') {
      // Where every matrix of a batch of weights has its own inputs there is no E[x x'] that is all rows'.
      if (layer.lead > 0 && x.dims.length > 2) return;
      const right = index === 1;
      const byColumns = right === is(right ? 'transA' : 'transB');
      if (!byColumns) inWasm(wasm, x, (at) => gram.addRows(at, sizeOf(x.dims) / layer.cols));
      else this.columns(gram, x);
    } else {
      const steps = is('layout') ? x.dims[1]! : x.dims[0]!;
      // Steps behind the end of a shorter sequence are no inputs.
      if (inputs[4]?.data.some((n) => Number(n) !== steps)) return;
      inWasm(wasm, x, (at) => gram.addRows(at, sizeOf(x.dims) / layer.cols));
    }
    this.seen = true;
  }

  /** Adds the columns of every matrix [cols, n] of x. */
  private columns(gram: GramAccumulator, x: Tensor): void {
    const { arena, k } = this.wasm;
    const [cols, n] = x.dims.length < 2 ? [x.dims[0]!, 1] : (x.dims.slice(-2) as [number, number]);
    const matrices = sizeOf(x.dims) / (cols * n);
    inWasm(this.wasm, x, (at) =>
      arena.scope((alloc) => {
        const transposed = alloc(4 * n * cols);
        for (let m = 0; m < matrices; m++) {
          k.transpose(at + 4 * m * n * cols, cols, n, transposed);
          gram.addRows(transposed, n);
        }
      }),
    );
  }
}
