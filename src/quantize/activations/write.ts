import type { Affine } from '../../calibrate/ranges.ts';
import { withoutUnused } from '../../graph/edit.ts';
import { makeNode, withGraph, withNode, withOpset } from '../../onnx/index.ts';
import type { Initializer, Model, Node } from '../../onnx/model.ts';
import { type Tensor, tensor } from '../../tensor.ts';
import { Builder } from '../builder.ts';
import { biasCodes } from './bias.ts';
import { insertSites, type Replacement } from './insert.ts';
import { biasOf } from './operators.ts';
import type { Placement, Site } from './place.ts';

/** Integers that activations are stored as. */
export type ActivationType = 'uint8' | 'int8' | 'uint16' | 'int16';

const LIMITS: Readonly<Record<ActivationType, readonly [low: number, high: number]>> = {
  uint8: [0, 255],
  int8: [-128, 127],
  uint16: [0, 65535],
  int16: [-32768, 32767],
};

export function limitsOf(type: ActivationType): readonly [low: number, high: number] {
  return LIMITS[type];
}

/** Scale and zero point of a group of sites. */
export interface SiteGrid extends Affine {
  readonly type: ActivationType;
}

/** First opset of ai.onnx whose QuantizeLinear has 16 bits. */
const WIDE_OPSET = 21;

/**
 * The model with its sites rounded: QuantizeLinear and DequantizeLinear behind each, and the biases of nodes that multiply integers
 * as int32 of scale (scale of the input) x (scale of the weight's row), which is what products of integers are added to. Sixteen
 * bits before opset 21 are written with the operators of com.microsoft.
 * @param model weights of the placement's nodes made by DequantizeLinear of a scale a row, or one
 * @param grids by group
 * @param scales the weight's, as they are stored
 */
export function writeActivations(
  model: Model,
  { sites, nodes }: Placement,
  grids: readonly SiteGrid[],
  scales: (weight: string) => Float32Array,
): Model {
  const b = new Builder(model);
  const group = new Map(sites.map((s) => [s.value, s.group]));
  const scaleOf = ({ scale }: SiteGrid): string => b.floats([scale]);
  const zeroOf = ({ type, zero }: SiteGrid): string =>
    b.shared(`${type} ${zero}`, () => b.initializer('', integer(type, zero)));

  const initializers = new Map(model.graph.initializers.map((t) => [t.name, t]));
  const makers = new Map(model.graph.nodes.flatMap((n) => n.outputs.map((o) => [o, n] as const)));
  const added: Initializer[] = [];
  const replaced = new Set<string>();
  const multiplied = new Map(nodes.map((own) => [own.node, own]));
  const withBias = (node: Node, original: Node): readonly Node[] => {
    const own = multiplied.get(original);
    const name = biasOf(node);
    const bias = initializers.get(name);
    if (own === undefined || bias === undefined) return [node];
    const { weight } = own.layer;
    const grid = grids[group.get(own.input)!]!;
    const rows = scales(weight);
    const codes = biasCodes(bias.tensor().data as Float32Array, grid.scale, rows);
    const stored = b.initializer('', tensor('int32', [codes.length], codes));
    const scale = b.node('Mul', [makers.get(weight)!.inputs[1]!, scaleOf(grid)]);
    const axis = rows.length === 1 ? {} : { axis: { type: 'int', value: 0 } as const };
    const value = b.node('DequantizeLinear', [stored, scale], axis);
    const part = b.take();
    added.push(...part.initializers);
    replaced.add(name);
    return [...part.nodes, withNode(node, { inputs: node.inputs.map((v, i) => (i === 2 ? value : v)) })];
  };

  const opset = model.opsets.get('') ?? 0;
  let microsoft = false;
  const rounded = (site: Site, from: string, to: string | undefined): Replacement => {
    const grid = grids[site.group]!;
    const [scale, zero] = [scaleOf(grid), zeroOf(grid)];
    const codes = b.node('QuantizeLinear', [from, scale, zero]);
    const output = b.node('DequantizeLinear', [codes, scale, zero], {}, to);
    const part = b.take();
    added.push(...part.initializers);
    if (!grid.type.endsWith('16') || opset >= WIDE_OPSET) return { nodes: part.nodes, output };
    microsoft = true;
    return { nodes: part.nodes.map(ofMicrosoft), output };
  };
  const { graph } = insertSites(model, sites, rounded, withBias);
  const written = withGraph(model, {
    nodes: graph.nodes,
    initializers: [...graph.initializers, ...added, ...b.common().initializers],
  });
  return withoutUnused(microsoft ? withOpset(written, MICROSOFT, 1) : written, replaced);
}

const MICROSOFT = 'com.microsoft';

function ofMicrosoft({ opType, inputs, outputs, attributes }: Node): Node {
  return makeNode(opType, inputs, outputs, attributes, { domain: MICROSOFT });
}

function integer(type: ActivationType, value: number): Tensor {
  const array = { uint8: Uint8Array, int8: Int8Array, uint16: Uint16Array, int16: Int16Array }[type];
  return { dtype: type, dims: [], data: array.of(value) };
}
