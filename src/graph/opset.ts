import type { Model, Node } from '../onnx/model.ts';
import { findOperator, OPSETS } from '../ops/registry.ts';
import { allNodes } from './bodies.ts';
import { functionsOf } from './inline.ts';

/** A version of ai.onnx at which an operator came to mean something else, for the nodes that `hits` holds of. */
interface Change {
  readonly version: number;
  readonly hits?: (node: Node) => boolean;
}

const hasAttribute = (name: string) => (node: Node) => node.attributes.has(name);
const outputsBeyond = (n: number) => (node: Node) => node.outputs.filter((o) => o !== '').length > n;
const axesMoved = (version: number): Change[] => [{ version, hits: hasAttribute('axes') }];

/**
 * Changes since version 7 that alter or forbid nodes valid before, by operator (ONNX "Operators" and "Changelog"). What only
 * adds types, attributes or inputs is not listed.
 */
const CHANGES: Readonly<Record<string, readonly Change[]>> = {
  BatchNormalization: [
    { version: 9, hits: hasAttribute('spatial') },
    { version: 14, hits: outputsBeyond(1) },
  ],
  Clip: [{ version: 11, hits: (n) => n.attributes.has('min') || n.attributes.has('max') }],
  Dropout: [
    { version: 12, hits: hasAttribute('ratio') },
    { version: 10, hits: outputsBeyond(1) },
  ],
  DFT: [{ version: 20 }],
  GridSample: [{ version: 20, hits: hasAttribute('mode') }],
  GroupNormalization: [{ version: 21 }],
  Hardmax: [{ version: 13 }],
  LogSoftmax: [{ version: 13 }],
  Pad: [{ version: 11 }],
  ReduceL1: axesMoved(18),
  ReduceL2: axesMoved(18),
  ReduceLogSum: axesMoved(18),
  ReduceLogSumExp: axesMoved(18),
  ReduceMax: axesMoved(18),
  ReduceMean: axesMoved(18),
  ReduceMin: axesMoved(18),
  ReduceProd: axesMoved(18),
  ReduceSum: axesMoved(13),
  ReduceSumSquare: axesMoved(18),
  Resize: [{ version: 11 }],
  Scan: [{ version: 9 }],
  Scatter: [{ version: 11 }],
  Slice: [{ version: 10 }],
  Softmax: [{ version: 13 }],
  Split: [
    { version: 13, hits: hasAttribute('split') },
    { version: 18, hits: (n) => (n.inputs[1] ?? '') === '' && !n.attributes.has('num_outputs') },
  ],
  Squeeze: axesMoved(13),
  TopK: [{ version: 10 }],
  Unsqueeze: axesMoved(13),
  Upsample: [{ version: 9 }, { version: 10 }],
};

/**
 * Whether every node of the model, those in bodies included, means the same when the model is declared to be of opset `to` of
 * ai.onnx. False where Kappa does not know: operators it does not run, versions it does not read, and lowering.
 */
export function canRaise(model: Model, to: number): boolean {
  const from = model.opsets.get('') ?? 0;
  if (from < OPSETS.oldest || to > OPSETS.newest || to < from) return false;
  const find = functionsOf(model);
  // A function's nodes go by the opsets the function itself imports.
  return sameMeaning(model.graph.nodes, from, to, (node) => find(node) !== undefined);
}

/**
 * Whether nodes, and those in their bodies, mean the same at two versions of ai.onnx.
 * @param known nodes that mean the same anyway
 */
export function sameMeaning(
  nodes: readonly Node[],
  from: number,
  to: number,
  known: (node: Node) => boolean = () => false,
): boolean {
  if (to === from) return true;
  if (from < OPSETS.oldest || to > OPSETS.newest || to < from) return false;
  for (const node of allNodes(nodes)) {
    // An operator of another domain goes by that domain's version.
    if (known(node) || node.domain !== '') continue;
    if (findOperator('', node.opType, from) === undefined) return false;
    const changes = CHANGES[node.opType] ?? [];
    if (changes.some((c) => c.version > from && c.version <= to && (c.hits?.(node) ?? true))) return false;
  }
  return true;
}
