import type { Attribute, Graph, Initializer, Model, Node } from '../onnx/model.ts';
import { makeInitializer, makeNode } from '../onnx/index.ts';
import { type Tensor, tensor } from '../tensor.ts';

/** Nodes and initializers, in an order in which each node comes after what it reads. */
export interface Part {
  readonly nodes: readonly Node[];
  readonly initializers: readonly Initializer[];
}

/**
 * Collects what is to be put in front of a model's nodes. Names never collide with the model's, those inside of bodies and
 * functions' callers included.
 */
export class Builder {
  readonly opset: number;
  readonly #taken = new Set<string>();
  readonly #shared = new Map<string, string>();
  #common: { nodes: Node[]; initializers: Initializer[] } = { nodes: [], initializers: [] };
  #own: { nodes: Node[]; initializers: Initializer[] } = { nodes: [], initializers: [] };
  readonly #late: (() => void)[] = [];
  #intoCommon = 0;
  #counter = 0;

  constructor(model: Model) {
    this.opset = model.opsets.get('') ?? 0;
    takeNames(model.graph, this.#taken);
  }

  /** `base`, or `base` with a number behind it where it is taken; taken from now on. */
  name(base: string): string {
    let name = base;
    for (let i = 1; this.#taken.has(name); i++) name = `${base}_${i}`;
    this.#taken.add(name);
    return name;
  }

  /** Adds an initializer and returns its name: the shortest there is where `base` is ''. */
  initializer(base: string, t: Tensor): string {
    const name = base === '' ? this.#value() : this.name(base);
    this.#target().initializers.push(makeInitializer(name, t));
    return name;
  }

  /** Adds an initializer of a name that `fresh` gave. */
  add(name: string, t: Tensor): void {
    this.#target().initializers.push(makeInitializer(name, t));
  }

  /** Adds a node of one output and returns that output's name; `output` makes it that name, which must be free by then. */
  node(
    opType: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, Attribute>> = {},
    output?: string,
    domain = '',
  ): string {
    const name = output ?? this.#value();
    this.#target().nodes.push(makeNode(opType, inputs, [name], attributes, { domain }));
    return name;
  }

  /** The value that `make` adds, the same one for every call with this key. */
  shared(key: string, make: () => string): string {
    const known = this.#shared.get(key);
    if (known !== undefined) return known;
    this.#intoCommon++;
    try {
      const name = make();
      this.#shared.set(key, name);
      return name;
    } finally {
      this.#intoCommon--;
    }
  }

  /** A constant of whole numbers, shared by all who ask for the same one. */
  int64s(values: readonly number[]): string {
    return this.shared(`int64 ${values}`, () =>
      this.initializer('', tensor('int64', [values.length], BigInt64Array.from(values.map((v) => BigInt(v))))),
    );
  }

  /** A constant of floats, a scalar where `dims` is empty, shared by all who ask for the same one. */
  floats(values: readonly number[], dims: readonly number[] = []): string {
    return this.shared(`float [${dims}] ${values}`, () =>
      this.initializer('', tensor('float', dims, Float32Array.from(values))),
    );
  }

  /** Consecutive parts of a value along an axis, under those names where they are given; the value itself where it is the only part. */
  split(value: string, sizes: readonly number[], axis = 0, outputs: readonly (string | undefined)[] = []): string[] {
    if (sizes.length === 1) return [value];
    const names = sizes.map((_, i) => outputs[i] ?? this.#value());
    const given = this.opset < 13 ? [value] : [value, this.int64s(sizes)];
    const attributes: Record<string, Attribute> = {};
    if (axis !== 0) attributes.axis = { type: 'int', value: axis };
    if (this.opset < 13) attributes.split = { type: 'ints', value: sizes };
    this.#target().nodes.push(makeNode('Split', given, names, attributes));
    return names;
  }

  /** Indices that put the `count` elements of a vector in order, the largest first, of equal ones the first first. */
  largest(value: string, count: number): string {
    const indices = this.#value();
    const old = this.opset < 10;
    const inputs = old ? [value] : [value, this.int64s([count])];
    const attributes: Record<string, Attribute> = old ? { k: { type: 'int', value: count } } : {};
    this.#target().nodes.push(makeNode('TopK', inputs, [this.#value(), indices], attributes));
    return indices;
  }

  /** `value` as another element type. */
  cast(value: string, dataType: number, output?: string): string {
    return this.node('Cast', [value], { to: { type: 'int', value: dataType } }, output);
  }

  reshape(value: string, dims: readonly number[], output?: string): string {
    return this.node('Reshape', [value, this.int64s(dims)], {}, output);
  }

  /** The first `count` along an axis. */
  slice(value: string, axis: number, count: number, output?: string): string {
    if (this.opset < 10) {
      const one = (v: number): Attribute => ({ type: 'ints', value: [v] });
      return this.node('Slice', [value], { axes: one(axis), starts: one(0), ends: one(count) }, output);
    }
    return this.node('Slice', [value, this.int64s([0]), this.int64s([count]), this.int64s([axis])], {}, output);
  }

  /** What was added since the last call, without what is shared. */
  take(): Part {
    const part = this.#own;
    this.#own = { nodes: [], initializers: [] };
    return part;
  }

  /** What is shared, and what was put off until now. */
  common(): Part {
    this.#intoCommon++;
    for (const make of this.#late.splice(0)) make();
    this.#intoCommon--;
    return this.#common;
  }

  /** Puts something off until all else was added: it adds to what is shared then. */
  late(make: () => void): void {
    this.#late.push(make);
  }

  /** A name for a value that is added later. */
  fresh(): string {
    return this.#value();
  }

  #target(): { nodes: Node[]; initializers: Initializer[] } {
    return this.#intoCommon ? this.#common : this.#own;
  }

  #value(): string {
    for (;;) {
      const name = shortName(this.#counter++);
      if (this.#taken.has(name)) continue;
      this.#taken.add(name);
      return name;
    }
  }
}

const LETTERS = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ';
const MORE = `${LETTERS}0123456789_`;

/** The nth of the identifiers of C, the shortest first. */
function shortName(n: number): string {
  let name = LETTERS[n % LETTERS.length]!;
  for (let rest = Math.floor(n / LETTERS.length); rest > 0; rest = Math.floor((rest - 1) / MORE.length))
    name += MORE[(rest - 1) % MORE.length]!;
  return name;
}

function takeNames(graph: Graph, into: Set<string>): void {
  for (const { name } of [...graph.inputs, ...graph.outputs, ...graph.initializers, ...graph.valueInfo]) into.add(name);
  for (const node of graph.nodes) {
    into.add(node.name);
    for (const name of [...node.inputs, ...node.outputs]) into.add(name);
    for (const attribute of node.attributes.values()) if (attribute.type === 'graph') takeNames(attribute.value, into);
  }
}
