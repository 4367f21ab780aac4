import type { Graph, Initializer, Node } from '../onnx/model.ts';
import { bodiesOf } from './bodies.ts';
import { constantOf } from './hoist.ts';

/** One value of a graph or of a body: names mean different values in different bodies. */
export interface Value {
  readonly name: string;
  /** The node that makes it; undefined for inputs and initializers. */
  readonly maker: Node | undefined;
  readonly initializer: Initializer | undefined;
  /** Nodes that read it as an input, in order, wherever they are; a node is there once for each of its inputs. */
  readonly readers: readonly Reader[];
  /** Whether it is an output of its graph, or of a body that sees it. */
  readonly output: boolean;
}

export interface Reader {
  readonly node: Node;
  /** Which input. */
  readonly index: number;
}

/** Every value of a graph and of the bodies inside it. */
export interface Values {
  /** The main graph's, by name. */
  readonly main: ReadonlyMap<string, Value>;
  /** What an input of a node reads, wherever the node is; undefined for a name that nothing makes. */
  input(node: Node, index: number): Value | undefined;
  output(node: Node, index: number): Value | undefined;
  /** Place of a node: nodes of a body come after the node it belongs to. */
  order(node: Node): number;
}

/** Elements of an integer input of a node where it is constant, undefined where it is not. */
export function integersOf(values: Values, node: Node, name: string): readonly number[] | undefined {
  const value = values.input(node, node.inputs.indexOf(name));
  const held = value?.initializer ? value.initializer.tensor() : value?.maker && constantOf(value.maker);
  return held && (held.dtype === 'int64' || held.dtype === 'int32') ? Array.from(held.data, Number) : undefined;
}

type Open = { -readonly [K in keyof Value]: K extends 'readers' ? Reader[] : Value[K] };
type Scope = ReadonlyMap<string, Open>;

/** Resolves the names of a graph and of its bodies. */
export function valuesOf(graph: Graph): Values {
  const inputs = new Map<Node, (Open | undefined)[]>();
  const outputs = new Map<Node, (Open | undefined)[]>();
  const order = new Map<Node, number>();
  const visit = (g: Graph, outer: Scope): Scope => {
    const scope = new Map(outer);
    const add = (name: string, maker?: Node, initializer?: Initializer): Open => {
      const value: Open = { name, maker, initializer, readers: [], output: false };
      scope.set(name, value);
      return value;
    };
    for (const v of g.inputs) add(v.name);
    for (const t of g.initializers) add(t.name, undefined, t);
    for (const node of g.nodes)
      outputs.set(
        node,
        node.outputs.map((name) => (name === '' ? undefined : add(name, node))),
      );
    for (const node of g.nodes) {
      order.set(node, order.size);
      const read = node.inputs.map((name) => (name === '' ? undefined : scope.get(name)));
      inputs.set(node, read);
      for (const [index, value] of read.entries()) value?.readers.push({ node, index });
      for (const body of bodiesOf(node)) visit(body, scope);
    }
    for (const o of g.outputs) {
      const value = scope.get(o.name);
      if (value !== undefined) value.output = true;
    }
    return scope;
  };
  const main = visit(graph, new Map());
  return {
    main,
    input: (node, index) => inputs.get(node)?.[index],
    output: (node, index) => outputs.get(node)?.[index],
    order: (node) => order.get(node) ?? 0,
  };
}
