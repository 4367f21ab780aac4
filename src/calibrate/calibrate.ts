import { fixedBatch } from '../data/check.ts';
import type { Batch, Dataset } from '../data/dataset.ts';
import { DataError } from '../errors.ts';
import type { Layer, LayerUse } from '../graph/layers.ts';
import type { Observer, Session } from '../graph/session.ts';
import { asFloats, FLOATING } from '../grid/weight.ts';
import type { Node } from '../onnx/model.ts';
import { sizeOf, type Tensor } from '../tensor.ts';
import type { Wasm } from '../wasm/wasm.ts';
import { inWasm, LayerInputs } from './inputs.ts';
import { RunningStatistics, type Statistics } from './statistics.ts';
import { breath } from '../progress.ts';

export { MAX_GRAM } from './inputs.ts';

export interface LayerCalibration {
  /**
   * E[x x'] of the layer's inputs, [groups, cols, cols]. Absent for Gather tables, for ConvTranspose and for layers over
   * MAX_GRAM. Of a weight that is a table for some nodes and a matrix for others, of the inputs of the latter.
   */
  readonly gram?: Float32Array | undefined;
  /** E[x] of the same inputs, [groups * cols]; there where `gram` is. */
  readonly mean?: Float32Array | undefined;
  /** Gather tables: how often each row was looked up, as a share of all look-ups. */
  readonly rowWeights?: Float64Array | undefined;
}

export interface Calibration {
  readonly samples: number;
  readonly batches: number;
  readonly layers: ReadonlyMap<string, LayerCalibration>;
  /** Statistics of every float value some node put out or a feed brought, by value name. */
  readonly values: ReadonlyMap<string, Statistics>;
  /** Shape of one sample of each of these values: the sample axis taken off where there is one. */
  readonly shapes: ReadonlyMap<string, readonly number[]>;
  /** Smallest variance of one normalised row seen, by the LayerNormalization node's output name. */
  readonly rowVariance: ReadonlyMap<string, number>;
}

export interface CalibrateOptions {
  readonly batch: number;
  readonly samples?: number | undefined;
  readonly progress?: ((done: number, total: number) => void) | undefined;
}

/**
 * Runs the model on the data batch by batch and keeps running statistics of every value and the Gram matrix of every layer's
 * input, from the real forward passes.
 * @throws DataError when the data holds no sample or makes the model put out something that is not finite
 */
export async function calibrate(
  wasm: Wasm,
  session: Session,
  layers: readonly Layer[],
  dataset: Dataset,
  options: CalibrateOptions,
): Promise<Calibration> {
  const total = Math.min(dataset.count, options.samples ?? dataset.count);
  if (total === 0) throw new DataError('calibration data: expected at least one sample, found none');
  const collector = new Collector(wasm, layers);
  let samples = 0;
  let batches = 0;
  try {
    if (options.batch > 1) await collector.probe(session, dataset);
    for await (const batch of dataset.batches(options.batch, { limit: total })) {
      collector.batch(session, batch);
      samples += batch.count;
      batches++;
      options.progress?.(samples, total);
      await breath();
    }
    return { samples, batches, ...collector.read() };
  } finally {
    collector.dispose();
  }
}

class Collector {
  private readonly inputs = new Map<string, LayerInputs>();
  private readonly values = new Map<string, RunningStatistics>();
  private readonly shapes = new Map<string, readonly number[]>();
  private readonly variances = new Map<string, number>();
  private readonly byNode = new Map<Node, { of: LayerInputs; use: LayerUse }[]>();
  /** First axes on one sample, by value name; undefined where the model does not run on one. */
  private alone: Map<string, number | undefined> | undefined;

  constructor(
    private readonly wasm: Wasm,
    layers: readonly Layer[],
  ) {
    for (const layer of layers) {
      const of = new LayerInputs(wasm, layer);
      this.inputs.set(layer.weight, of);
      for (const use of layer.uses) {
        const list = this.byNode.get(use.node);
        if (list) list.push({ of, use });
        else this.byNode.set(use.node, [{ of, use }]);
      }
    }
  }

  /**
   * Runs one sample alone: a first axis counts the samples where it is 1 then and the batch's size later. Axes of a fixed size
   * that happens to be the batch's are told apart so.
   */
  async probe(session: Session, dataset: Dataset): Promise<void> {
    if (dataset.single || (fixedBatch(session.inputs) ?? 1) !== 1) return;
    for await (const { feeds } of dataset.batches(1, { limit: 1 })) {
      const alone = new Map(Object.entries(feeds).map(([name, t]) => [name, t.dims[0]]));
      const observe: Observer = (node, _, outputs) =>
        node.outputs.forEach((name, i) => alone.set(name, outputs[i]?.dims[0]));
      session.run(feeds, { observe });
      this.alone = alone;
    }
  }

  batch(session: Session, batch: Batch): void {
    for (const [name, tensor] of Object.entries(batch.feeds)) this.statistics(name, tensor, batch.count);
    const made = session.run(batch.feeds, {
      observe: (node, inputs, outputs) => {
        node.outputs.forEach((name, i) => {
          const tensor = outputs[i];
          if (name !== '' && tensor) this.statistics(name, tensor, batch.count);
        });
        if (node.opType === 'LayerNormalization' && inputs[0]) this.rowVariance(node, inputs[0]);
        for (const { of, use } of this.byNode.get(node) ?? []) of.visit(use, inputs);
      },
    });
    for (const [name, t] of Object.entries(made)) {
      const bad = t.dtype === 'float' ? (t.data as Float32Array).find((v) => !Number.isFinite(v)) : undefined;
      if (bad !== undefined)
        throw new DataError(`calibration data: the model puts out ${bad} in output '${name}', expected finite numbers`);
    }
  }

  read(): Pick<Calibration, 'layers' | 'values' | 'shapes' | 'rowVariance'> {
    const layers = new Map(
      [...this.inputs].map(([weight, of]) => {
        const { gram, mean, rowWeights } = of.read();
        return [weight, { gram, mean, rowWeights }] as const;
      }),
    );
    const values = new Map([...this.values].map(([name, s]) => [name, s.read()]));
    return { layers, values, shapes: this.shapes, rowVariance: this.variances };
  }

  dispose(): void {
    for (const of of this.inputs.values()) of.dispose();
  }

  private statistics(name: string, tensor: Tensor, samples: number): void {
    if (!FLOATING.has(tensor.dtype)) return;
    const cols = tensor.dims.at(-1) ?? 1;
    const n = sizeOf(tensor.dims);
    if (n === 0 || cols === 0) return;
    const running = this.values.get(name) ?? new RunningStatistics(this.wasm);
    this.values.set(name, running);
    const counted = tensor.dims[0] === samples && (this.alone?.get(name) ?? 1) === 1;
    this.shapes.set(name, counted ? tensor.dims.slice(1) : tensor.dims);
    const apart = counted ? samples : 1;
    // A value [samples] holds one number a sample.
    const row = counted && tensor.dims.length === 1 ? 1 : cols;
    inWasm(this.wasm, tensor, (at) => running.add(at, apart, n / apart / row, row));
  }

  private rowVariance(node: Node, x: Tensor): void {
    const axis = node.attributes.get('axis');
    const rank = x.dims.length;
    const start = axis?.type === 'int' ? (axis.value + rank) % rank : rank - 1;
    const cols = sizeOf(x.dims.slice(start));
    const data = asFloats(this.wasm, x);
    let least = this.variances.get(node.outputs[0]!) ?? Number.POSITIVE_INFINITY;
    for (let r = 0; r < data.length; r += cols) {
      let sum = 0;
      for (let i = r; i < r + cols; i++) sum += data[i]!;
      const mean = sum / cols;
      let squares = 0;
      for (let i = r; i < r + cols; i++) squares += (data[i]! - mean) ** 2;
      least = Math.min(least, squares / cols);
    }
    this.variances.set(node.outputs[0]!, least);
  }
}
