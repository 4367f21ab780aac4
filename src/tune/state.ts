import type { Layer } from '../graph/layers.ts';
import type { Coded } from '../grid/index.ts';
import type { Model } from '../onnx/model.ts';
import { type Tensor, tensor } from '../tensor.ts';
import type { Wasm } from '../wasm/wasm.ts';
import { Adam } from './adam.ts';
import { tunableInitializers } from './initializers.ts';
import { TunedWeight } from './weight.ts';

export interface TuneRates {
  /** Of latent positions, in codes a step. */
  readonly positions: number;
  /** Of scales, relative to what they were. */
  readonly scales: number;
  /** Of biases and norms, relative to their root mean square. */
  readonly vectors: number;
}

/** What the weights and vectors were at one time. */
export interface Snapshot {
  readonly coded: ReadonlyMap<string, Coded>;
  /** Biases and norms, by name. */
  readonly initializers: ReadonlyMap<string, Tensor>;
}

interface Vector {
  readonly adam: Adam;
  readonly dims: readonly number[];
  readonly size: number;
}

/** Everything in training. */
export class TuneState {
  private readonly weights: ReadonlyMap<string, TunedWeight>;
  private readonly vectors: ReadonlyMap<string, Vector>;

  /** @param start weights in codes, and biases and norms, the model's own where they are not named */
  constructor(
    wasm: Wasm,
    model: Model,
    layers: readonly Layer[],
    { coded, initializers }: Pick<Snapshot, 'coded'> & { readonly initializers?: Snapshot['initializers'] | undefined },
  ) {
    const own = layers.filter((l) => coded.has(l.weight));
    this.weights = new Map(own.map((l) => [l.weight, new TunedWeight(wasm, l, coded.get(l.weight)!)]));
    this.vectors = new Map(
      tunableInitializers(model, layers).map((t) => {
        const start = initializers?.get(t.name) ?? t.tensor();
        const x = Float32Array.from(start.data as Float32Array);
        return [t.name, { adam: new Adam(x), dims: t.dims, size: rootMeanSquare(x) }];
      }),
    );
  }

  /** Initializers whose gradients a step takes. */
  get names(): Set<string> {
    return new Set([...this.weights.keys(), ...this.vectors.keys()]);
  }

  /** What a run puts in the place of the initializers. */
  tensors(): Map<string, Tensor> {
    const found = this.initializers();
    for (const [name, w] of this.weights) found.set(name, w.tensor());
    return found;
  }

  snapshot(): Snapshot {
    return {
      coded: new Map([...this.weights].map(([name, w]) => [name, w.coded()])),
      initializers: this.initializers(),
    };
  }

  /** One step against the gradients, by name; what has none stays. */
  step(gradients: ReadonlyMap<string, Float32Array>, rates: TuneRates): void {
    for (const [name, w] of this.weights) {
      const gradient = gradients.get(name);
      if (gradient) w.step(gradient, rates);
    }
    for (const [name, { adam, size }] of this.vectors) {
      const gradient = gradients.get(name);
      if (gradient) adam.step(gradient, rates.vectors * size);
    }
  }

  private initializers(): Map<string, Tensor> {
    return new Map([...this.vectors].map(([name, v]) => [name, tensor('float', v.dims, v.adam.x.slice())]));
  }
}

/** A vector of zeros moves as one of ones would. */
function rootMeanSquare(x: Float32Array): number {
  return Math.sqrt(x.reduce((s, v) => s + v * v, 0) / x.length) || 1;
}
