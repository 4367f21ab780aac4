import type { Layer } from '../graph/index.ts';
import type { Model } from '../onnx/model.ts';
import { Surroundings } from './around.ts';
import type { WeightFormat, WrittenSpec } from './format.ts';
import { FORMATS } from './formats.ts';
import { type Choice, chooseFormat, multipliesCodes, type Target } from './targets.ts';

/** The format of every layer of a model at every width, for one target. */
export class Encoding {
  readonly #around: Surroundings;
  readonly #known = new Map<string, Choice>();

  /** @param forced a format asked for, whatever the target */
  constructor(
    model: Model,
    readonly target: Target,
    readonly forced: string | undefined,
  ) {
    this.#around = new Surroundings(model);
  }

  /** @param mixed whether the layer's rows have different widths, `spec.bits` the widest of them */
  choose(layer: Layer, spec: WrittenSpec, mixed = false): Choice {
    const key = JSON.stringify([layer.weight, spec.bits, spec.granularity, spec.symmetric, mixed]);
    const known = this.#known.get(key) ?? chooseFormat(this.target, this.forced, { layer, spec, mixed }, this.#around);
    this.#known.set(key, known);
    return known;
  }

  format(layer: Layer, spec: WrittenSpec, mixed = false): WeightFormat {
    return FORMATS[this.choose(layer, spec, mixed).format]!;
  }

  /** Bytes of codes, scales and zero points of the layer, as they will be written. */
  bytes(layer: Layer, spec: WrittenSpec): number {
    return this.format(layer, spec).bytes(layer.rows, layer.cols, spec);
  }

  /** Why rows of one layer are not given different widths unless that is asked for; undefined where they are. */
  wholeLayers(layers: readonly Layer[]): string | undefined {
    return this.forced === undefined && multipliesCodes(this.target, layers)
      ? `target ${this.target} multiplies codes of one width a layer as they are`
      : undefined;
  }
}
