import { canRaise } from '../graph/index.ts';
import type { Model, Node } from '../onnx/model.ts';
import type { Around } from './format.ts';

/** What formats must know of a model besides its layers. */
export class Surroundings implements Around {
  readonly opset: number;
  readonly #model: Model;
  readonly #nodes: ReadonlySet<Node>;
  readonly #constants: ReadonlyMap<string, readonly number[]>;
  readonly #raises = new Map<number, boolean>();

  constructor(model: Model) {
    const inputs = new Set(model.graph.inputs.map((v) => v.name));
    this.opset = model.opsets.get('') ?? 0;
    this.#model = model;
    this.#nodes = new Set(model.graph.nodes);
    const constants = model.graph.initializers.filter((t) => !inputs.has(t.name));
    this.#constants = new Map(constants.map((t) => [t.name, t.dims]));
  }

  isMain(node: Node): boolean {
    return this.#nodes.has(node);
  }

  constantDims(name: string): readonly number[] | undefined {
    return this.#constants.get(name);
  }

  /** Whether the model is of that opset of ai.onnx, or all its operators would mean the same there. */
  reaches(opset: number): boolean {
    if (this.opset >= opset) return true;
    const known = this.#raises.get(opset) ?? canRaise(this.#model, opset);
    this.#raises.set(opset, known);
    return known;
  }
}
