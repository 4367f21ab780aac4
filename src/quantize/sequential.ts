import { MAX_GRAM } from '../calibrate/calibrate.ts';
import { GramAccumulator } from '../calibrate/gram.ts';
import type { Dataset } from '../data/dataset.ts';
import type { Layer } from '../graph/layers.ts';
import type { Session } from '../graph/session.ts';
import { convWindow } from '../graph/window.ts';
import { type Coded, decode, encode, fromRows, type GridSpec, type LayerGram } from '../grid/index.ts';
import { retarget } from '../grid/rounding/target.ts';
import type { Node } from '../onnx/model.ts';
import type { Progress } from '../progress.ts';
import { sizeOf, type Tensor, tensor } from '../tensor.ts';
import type { Wasm } from '../wasm/wasm.ts';

/** How far weights move towards what suits the quantized inputs. */
const SHARE = 1;

export interface SequentialOptions {
  readonly session: Session;
  /** In the graph's order. */
  readonly layers: readonly Layer[];
  /** A layer's weight in row form. */
  readonly float: (layer: Layer) => Float32Array;
  /** One width, or one for each row; undefined: the layer stays in float. */
  readonly width: (layer: Layer) => number | readonly number[] | undefined;
  readonly specOf: (layer: Layer, bits: number) => GridSpec;
  readonly rounding: string;
  readonly dataset: Dataset;
  readonly batch: number;
  readonly samples: number;
  readonly progress?: Progress | undefined;
}

/**
 * Quantizes layer after layer in the graph's order, each to give what the original gives on the original inputs, but on the inputs that
 * the layers before it give now that they are quantized (Y. Li et al., "GPTAQ", arXiv 2504.02692): its weights are moved to the
 * least-squares ones for those inputs and rounded under these inputs' Gram matrix. Layers that read the same value are done together.
 * Gather tables and layers without a Gram matrix are rounded as they are.
 */
export async function sequentialPass(wasm: Wasm, options: SequentialOptions): Promise<Map<string, Coded>> {
  const { session, layers, float, width, specOf, rounding, progress } = options;
  const made = new Map<string, Coded>();
  const weights = new Map<string, Tensor>();
  let done = 0;
  for (const together of byInput(layers)) {
    const active = together.filter((l) => width(l) !== undefined);
    const measured = active.length > 0 ? await measure(wasm, session, active, weights, options) : new Map();
    for (const layer of active) {
      const { rows, cols, dims, rowAxis } = layer;
      const found: Measured | undefined = measured.get(layer.weight);
      const w = float(layer);
      const target = found ? retarget(wasm, w, rows, cols, found.gram, found.cross, SHARE) : w;
      const coded = encode(
        wasm,
        target,
        rows,
        cols,
        width(layer)!,
        (bits) => specOf(layer, bits),
        rounding,
        found?.gram,
      );
      made.set(layer.weight, coded);
      weights.set(layer.weight, tensor('float', dims, fromRows(wasm, decode(wasm, coded), dims, rowAxis)));
    }
    done += together.length;
    progress?.('quantizing in sequence', done, layers.length);
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
  return made;
}

/** Layers in the graph's order, those that read the same values together: what one reads depends on none of the others. */
function byInput(layers: readonly Layer[]): Layer[][] {
  const groups = new Map<string, Layer[]>();
  for (const layer of layers) {
    const read = multiplied(layer).map((n) => n.inputs[0]!);
    const key = read.length > 0 ? JSON.stringify(read) : `weight ${layer.weight}`;
    const group = groups.get(key);
    if (group) group.push(layer);
    else groups.set(key, [layer]);
  }
  return [...groups.values()];
}

/** Nodes that multiply the weight with what they read; none where one does it in a way that has no Gram matrix. */
function multiplied(layer: Layer): readonly Node[] {
  const nodes = layer.nodes.filter((n) => n.opType !== 'Gather');
  return nodes.every((n) => n.opType === 'Gemm' || n.opType === 'MatMul' || n.opType === 'Conv') ? nodes : [];
}

interface Measured {
  /** E[y y'] of the inputs y with the layers before quantized. */
  readonly gram: LayerGram;
  /** E[x y'], x the original inputs. */
  readonly cross: Float32Array;
}

/** Products of the inputs of layers that read one value, by weight; none for layers that cannot be measured. */
async function measure(
  wasm: Wasm,
  session: Session,
  layers: readonly Layer[],
  weights: ReadonlyMap<string, Tensor>,
  { dataset, batch, samples }: SequentialOptions,
): Promise<Map<string, Measured>> {
  const sums = layers.filter(measurable).map((layer) => new Products(wasm, layer));
  try {
    if (sums.length > 0)
      for await (const { feeds } of dataset.batches(batch, { limit: samples })) {
        const fetch = [...new Set(sums.flatMap((s) => s.nodes.map((n) => n.inputs[0]!)))];
        const original = session.run(feeds, { fetch });
        const quantized = weights.size > 0 ? session.run(feeds, { fetch, weights }) : original;
        for (const sum of sums) for (const node of sum.nodes) sum.add(node, original, quantized);
        await new Promise((resolve) => setTimeout(resolve, 0));
      }
    return new Map(sums.map((s) => [s.layer.weight, s.read()]));
  } finally {
    for (const sum of sums) sum.dispose();
  }
}

function measurable(layer: Layer): boolean {
  return multiplied(layer).length > 0 && layer.groups * layer.cols * layer.cols <= MAX_GRAM;
}

class Products {
  readonly nodes: readonly Node[];
  private readonly gram: GramAccumulator;
  private readonly cross: GramAccumulator;

  constructor(
    private readonly wasm: Wasm,
    readonly layer: Layer,
  ) {
    this.nodes = multiplied(layer);
    this.gram = new GramAccumulator(wasm, layer.groups, layer.cols);
    this.cross = new GramAccumulator(wasm, layer.groups, layer.cols);
  }

  add(node: Node, original: Readonly<Record<string, Tensor>>, quantized: Readonly<Record<string, Tensor>>): void {
    const { layer, gram, cross } = this;
    const name = node.inputs[0]!;
    const dims = original[name]!.dims;
    const { arena, k } = this.wasm;
    arena.scope((alloc) => {
      const transposed = node.opType === 'Gemm' && node.attributes.get('transA')?.value === 1;
      const load = ({ data }: Tensor): number => {
        const at = alloc(data.byteLength);
        arena.put(at, data);
        if (!transposed) return at;
        const turned = alloc(data.byteLength);
        k.transpose(at, dims[0]!, dims[1]!, turned);
        return turned;
      };
      const y = load(quantized[name]!);
      const x = original === quantized ? y : load(original[name]!);
      if (node.opType === 'Conv') {
        const window = convWindow(node, layer.dims, dims);
        const channels = dims[1]! / layer.groups;
        gram.addWindows(y, dims[0]!, channels, window);
        cross.addWindows(x, dims[0]!, channels, window, y);
      } else {
        const rows = sizeOf(dims) / layer.cols;
        gram.addRows(y, rows);
        cross.addRows(x, rows, y);
      }
    });
  }

  read(): Measured {
    return { gram: { gram: this.gram.read(), groups: this.layer.groups }, cross: this.cross.read() };
  }

  dispose(): void {
    this.gram.dispose();
    this.cross.dispose();
  }
}
