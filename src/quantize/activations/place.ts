import { orderedNodes, usesOf } from '../../graph/index.ts';
import type { Layer } from '../../graph/layers.ts';
import type { Model, Node } from '../../onnx/model.ts';
import { averages, isClipping, isMover, moved } from './operators.ts';

/** A value that is rounded to integers: what lies between two operators is its scale, zero point and codes. */
export interface Site {
  /** Name of the value in the model without quantized activations. */
  readonly value: string;
  /** Whether all its readers read what was rounded, because the operator that makes it works in integers. */
  readonly everywhere: boolean;
  /** Who reads what was rounded, where not all do. */
  readonly readers: ReadonlySet<Node>;
  /** Sites of one group hold the same elements, moved: they share scale and zero point. */
  readonly group: number;
}

/** An operator that multiplies integers. */
export interface IntegerNode {
  readonly node: Node;
  readonly layer: Layer;
  /** What it multiplies by its weight: a site. */
  readonly input: string;
  /** The site it makes, a clipping operator behind it absorbed; undefined where its output stays in float. */
  readonly output: string | undefined;
}

export interface Placement {
  /** In the order of the graph. */
  readonly sites: readonly Site[];
  readonly nodes: readonly IntegerNode[];
}

/**
 * Where activations are rounded to integers. The input of every node that multiplies a quantized weight; the output of every
 * convolution among them, behind the Relu or Clip that reads it alone, since runtimes have convolutions from integers to integers
 * only; and what lies between such values: operators that only move elements share the scale of what they move, averages and sums
 * of two (residual connections) whose inputs are all integers put out integers where integers are wanted. Everything else stays in
 * float: Softmax, norms, GELU and their like read and give floats.
 * @param layers those whose weights are written as integers
 * @param excluded values that stay in float, and with them the operators that would read or make them as integers
 */
export function place(model: Model, layers: readonly Layer[], excluded: ReadonlySet<string> = new Set()): Placement {
  const { graph } = model;
  const uses = usesOf(graph);
  const order = orderedNodes(graph);
  const constant = new Set(graph.initializers.map((t) => t.name));
  for (const node of order)
    if (node.inputs.every((v) => v === '' || constant.has(v))) for (const o of node.outputs) constant.add(o);

  /** What a node puts out once the clipping operator that reads it alone is absorbed. */
  const behind = (value: string): string => {
    const readers = uses.readers.get(value) ?? [];
    const [reader] = readers;
    const alone = readers.length === 1 && !uses.outputs.has(value) && reader!.inputs[0] === value;
    return alone && isClipping(reader!, constant) ? reader!.outputs[0]! : value;
  };

  const wanted = new Map<string, { everywhere: boolean; readers: Set<Node> }>();
  const want = (value: string, by: Node | undefined): void => {
    const site = wanted.get(value) ?? { everywhere: false, readers: new Set() };
    if (by) site.readers.add(by);
    else site.everywhere = true;
    wanted.set(value, site);
  };
  const nodes = new Map<Node, IntegerNode>();
  for (const layer of layers) {
    // A weight in integers that one of its nodes reads as floats would be decoded in every run.
    const own = layer.nodes.map((node): IntegerNode => {
      const output = node.opType === 'Conv' ? behind(node.outputs[0]!) : undefined;
      return { node, layer, input: node.inputs[0]!, output };
    });
    const float = (v: string | undefined) => v !== undefined && (constant.has(v) || excluded.has(v));
    if (own.some(({ input, output }) => float(input) || float(output))) continue;
    for (const found of own) {
      nodes.set(found.node, found);
      want(found.input, found.node);
      if (found.output !== undefined) want(found.output, undefined);
    }
  }

  /** Values a node between integers reads, and the one it makes; undefined for nodes that are never in between. */
  const between = (node: Node): { reads: readonly string[]; makes: string; moves: boolean } | undefined => {
    const moves = isMover(node, constant);
    const sum = node.opType === 'Add' && node.domain === '';
    if ((!moves && !averages(node) && !sum) || node.outputs.slice(1).some((o) => o !== '')) return undefined;
    const reads = sum || moves ? moved(node) : node.inputs.slice(0, 1);
    if (reads.some((v) => v === '' || constant.has(v))) return undefined;
    const makes = sum ? behind(node.outputs[0]!) : node.outputs[0]!;
    return [...reads, makes].some((v) => excluded.has(v)) ? undefined : { reads, makes, moves };
  };
  const passing = order.flatMap((node) => {
    const found = between(node);
    return found ? [{ node, ...found }] : [];
  });
  // Integers there: made or read as such. Integers wanted: read as such, if only behind others in between.
  const held = new Set(wanted.keys());
  for (const { reads, makes } of passing) if (reads.every((v) => held.has(v))) held.add(makes);
  const demanded = new Set([...wanted].filter(([, site]) => site.readers.size > 0).map(([value]) => value));
  for (const { reads, makes } of [...passing].reverse())
    if (demanded.has(makes) && reads.every((v) => held.has(v))) for (const v of reads) demanded.add(v);

  const groups = new Groups();
  for (const { node, reads, makes, moves } of passing) {
    if (!demanded.has(makes) || !reads.every((v) => held.has(v) && wanted.has(v))) continue;
    for (const v of reads) want(v, node);
    want(makes, undefined);
    if (moves) for (const v of reads) groups.join(v, makes);
  }
  const made = [...graph.inputs.map((v) => v.name), ...order.flatMap((n) => n.outputs)];
  const sites = made.flatMap((value): Site[] => {
    const site = wanted.get(value);
    return site ? [{ value, ...site, group: groups.of(value) }] : [];
  });
  return { sites, nodes: order.flatMap((n) => nodes.get(n) ?? []) };
}

/** Values that share a scale. */
class Groups {
  readonly #parent = new Map<string, string>();
  readonly #numbers = new Map<string, number>();

  join(a: string, b: string): void {
    const [x, y] = [this.#root(a), this.#root(b)];
    if (x !== y) this.#parent.set(y, x);
  }

  /** Groups count from 0 in the order they are asked for, after all were joined. */
  of(value: string): number {
    const root = this.#root(value);
    const number = this.#numbers.get(root) ?? this.#numbers.size;
    this.#numbers.set(root, number);
    return number;
  }

  #root(value: string): string {
    let at = value;
    for (let up = this.#parent.get(at); up !== undefined; up = this.#parent.get(at)) at = up;
    return at;
  }
}
