import { UnsupportedError } from '../errors.ts';
import type { Model, Node } from '../onnx/model.ts';
import type { Run } from '../ops/op.ts';
import { findOperator, OPSETS } from '../ops/index.ts';
import { atNode } from './failure.ts';
import { inlined, type Placed } from './inline.ts';
import { labelOf, orderedNodes } from './order.ts';

/** A node made ready to run. */
export interface Step {
  readonly node: Node;
  readonly run: Run;
}

const MOST_NAMED = 5;

/**
 * The model's nodes in running order, functions inlined, each with its operator's definition.
 * @throws UnsupportedError naming every operator that Kappa does not run, at once; ModelError for a graph without an order
 */
export function stepsOf(model: Model): Step[] {
  const placed = inlined(model);
  checkOperators(placed);
  const opsets = new Map(placed.map((p) => [p.node, p.opsets]));
  const nodes = placed.map((p) => p.node);
  return orderedNodes(model.graph, nodes).map((node) => {
    const opset = opsets.get(node)!.get(node.domain) ?? 1;
    const outputs = node.outputs.reduce((n, o, i) => (o === '' ? n : i + 1), 0);
    const spec = { opType: node.opType, name: labelOf(node), attributes: node.attributes, outputs, opset };
    return { node, run: atNode(node, () => findOperator(node.domain, node.opType, opset)!.build(spec)) };
  });
}

/** The nodes and, after each, those of its bodies (If, Loop, Scan), however deep. */
function* withBodies(placed: readonly Placed[]): Generator<Placed> {
  for (const { node, opsets } of placed) {
    yield { node, opsets };
    for (const attribute of node.attributes.values())
      if (attribute.type === 'graph')
        yield* withBodies(attribute.value.nodes.map((inner) => ({ node: inner, opsets })));
  }
}

function checkOperators(placed: readonly Placed[]): void {
  const missing = new Map<string, string[]>();
  for (const { node, opsets } of withBodies(placed)) {
    const domain = node.domain;
    const opset = opsets.get(domain);
    if (domain === '' && opset !== undefined && (opset < OPSETS.oldest || opset > OPSETS.newest))
      throw new UnsupportedError(
        `opset ${opset}: expected ${OPSETS.oldest}..${OPSETS.newest}; convert the model to one of these`,
      );
    if (opset !== undefined && findOperator(domain, node.opType, opset) !== undefined) continue;
    const key = `${domain === '' ? '' : `${domain}.`}${node.opType} (opset ${opset ?? 'not imported'})`;
    const list = missing.get(key);
    if (list === undefined) missing.set(key, [labelOf(node)]);
    else list.push(labelOf(node));
  }
  if (missing.size === 0) return;
  const all = [...missing].map(([key, names]) => {
    const more = names.length > MOST_NAMED ? ` and ${names.length - MOST_NAMED} more` : '';
    return `${key} at ${names
      .slice(0, MOST_NAMED)
      .map((n) => `"${n}"`)
      .join(', ')}${more}`;
  });
  throw new UnsupportedError(`operators that are not supported: ${all.join('; ')}`);
}
