import { orderedNodes, Session, usesOf } from '../graph/index.ts';
import { withGraph } from '../onnx/index.ts';
import type { Initializer, Model, Node, ValueInfo } from '../onnx/model.ts';
import { DATA_TYPES, type Tensor } from '../tensor.ts';
import type { Wasm } from '../wasm/wasm.ts';

/** Values of one batch at one point of the model, by name. */
export type Values = ReadonlyMap<string, Tensor>;

/** What one stage runs. */
interface Part {
  readonly nodes: readonly Node[];
  readonly initializers: readonly Initializer[];
  /** Values it reads that stages before it made, or the caller feeds. */
  readonly inputs: readonly string[];
  /** Values it makes that its cut or a later stage reads. */
  readonly outputs: readonly string[];
  readonly cut: readonly string[];
  /** What later stages read, wherever it was made. */
  readonly later: ReadonlySet<string>;
}

/**
 * A model cut into stages, for runs of many batches side by side: stage i makes the values of cut i, and what lies between two
 * cuts runs once, on values kept from the cut before. Nodes that no cut needs do not run.
 */
export class Stages {
  private readonly parts: readonly Part[];

  /** @param cuts names of values of the graph; what a cut needs and those before it do not is its stage */
  constructor(
    private readonly wasm: Wasm,
    private readonly model: Model,
    cuts: readonly (readonly string[])[],
  ) {
    this.parts = partsOf(model, cuts);
  }

  get count(): number {
    return this.parts.length;
  }

  /**
   * Stage `index`, ready to run.
   * @param example values as the stage before gave them, or feeds for the first stage
   */
  open(index: number, example: Values): Stage {
    return new Stage(this.wasm, this.model, this.parts[index]!, example);
  }
}

/** One stage of a model. */
export class Stage {
  private readonly session: Session | undefined;
  private readonly own: ReadonlySet<string>;

  constructor(
    wasm: Wasm,
    model: Model,
    private readonly part: Part,
    example: Values,
  ) {
    const { nodes, initializers, inputs, outputs } = part;
    this.own = new Set(initializers.map((i) => i.name));
    const input = (name: string): ValueInfo => ({
      name,
      elemType: DATA_TYPES[example.get(name)!.dtype],
      dims: undefined,
    });
    const output = (name: string): ValueInfo => ({ name, elemType: undefined, dims: undefined });
    const changes = { nodes, initializers, inputs: inputs.map(input), outputs: outputs.map(output), valueInfo: [] };
    this.session = outputs.length > 0 ? new Session(withGraph(model, changes), wasm) : undefined;
  }

  /**
   * Runs one batch on what the stage before gave for it.
   * @returns the values of the cut, and those the next stage is to be given
   */
  run(values: Values, weights: ReadonlyMap<string, Tensor>): { cut: Map<string, Tensor>; next: Map<string, Tensor> } {
    const { inputs, cut, later } = this.part;
    const feeds = Object.fromEntries(inputs.map((name) => [name, values.get(name)!]));
    const own = new Map([...weights].filter(([name]) => this.own.has(name)));
    const made = new Map(Object.entries(this.session?.run(feeds, { weights: own }) ?? {}));
    const pick = (names: Iterable<string>) =>
      new Map(
        [...names].flatMap((name): [string, Tensor][] => {
          const found = made.get(name) ?? values.get(name);
          return found ? [[name, found]] : [];
        }),
      );
    return { cut: pick(cut), next: pick(later) };
  }

  /** Whether any of these initializers matters to the stage. */
  reads(weights: ReadonlyMap<string, Tensor>): boolean {
    return [...weights.keys()].some((name) => this.own.has(name));
  }

  dispose(): void {
    this.session?.dispose();
  }
}

function partsOf(model: Model, cuts: readonly (readonly string[])[]): Part[] {
  const { graph } = model;
  const { maker, readers } = usesOf(graph);
  const reads = new Map<Node, string[]>();
  for (const [value, nodes] of readers)
    for (const node of nodes) {
      const list = reads.get(node);
      if (list) list.push(value);
      else reads.set(node, [value]);
    }
  const order = orderedNodes(graph);
  const initializers = new Map(graph.initializers.map((i) => [i.name, i]));
  const constant = new Set(initializers.keys());
  for (const node of order)
    if ((reads.get(node) ?? []).every((v) => constant.has(v))) for (const o of node.outputs) constant.add(o);

  // The first stage that needs each node that depends on the feeds.
  const stage = new Map<Node, number>();
  const needed = (from: readonly string[], take: (node: Node) => boolean): void => {
    const stack = [...from];
    for (let v = stack.pop(); v !== undefined; v = stack.pop()) {
      const node = maker.get(v);
      if (node && take(node)) stack.push(...(reads.get(node) ?? []));
    }
  };
  for (const [i, cut] of cuts.entries())
    needed(cut, (node) => {
      const fresh = !stage.has(node) && !node.outputs.every((o) => o === '' || constant.has(o));
      if (fresh) stage.set(node, i);
      return fresh;
    });

  // The last stage that reads each value.
  const last = new Map<string, number>();
  for (const [node, i] of stage) for (const v of reads.get(node) ?? []) last.set(v, Math.max(last.get(v) ?? 0, i));
  for (const [i, cut] of cuts.entries()) for (const v of cut) last.set(v, Math.max(last.get(v) ?? 0, i));

  const made = new Set(graph.inputs.map((v) => v.name).filter((name) => !initializers.has(name)));
  return cuts.map((cut, i): Part => {
    const moving = order.filter((node) => stage.get(node) === i);
    const read = new Set([...moving.flatMap((node) => reads.get(node) ?? []), ...cut]);
    const still = new Set<Node>();
    needed([...read], (node) => {
      const fresh = !still.has(node) && !stage.has(node) && node.outputs.some((o) => constant.has(o));
      if (fresh) still.add(node);
      return fresh;
    });
    const nodes = order.filter((node) => stage.get(node) === i || still.has(node));
    for (const node of nodes) for (const v of reads.get(node) ?? []) read.add(v);
    const inputs = [...read].filter((v) => made.has(v));
    const outputs = [...new Set(nodes.flatMap((n) => n.outputs))].filter(
      (v) => v !== '' && (cut.includes(v) || (!constant.has(v) && (last.get(v) ?? -1) > i)),
    );
    for (const node of moving) for (const o of node.outputs) if (o !== '') made.add(o);
    const later = new Set([...made].filter((v) => (last.get(v) ?? -1) > i));
    return { nodes, initializers: graph.initializers.filter((t) => read.has(t.name)), inputs, outputs, cut, later };
  });
}
