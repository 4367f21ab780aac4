/** NodeProto and AttributeProto -> Node. */
import proto from 'onnx-proto';
import { ModelError } from '../errors.ts';
import type { Attribute, Graph, Node } from './model.ts';
import { keepRest, keepWire } from './origin.ts';
import { ATTRIBUTE, NODE, type Schema } from './schema.ts';
import { show } from './show.ts';
import type { ReadOptions } from './tensor.ts';
import { readTensor } from './tensor.ts';
import { attempt, checkNames, split, toNumber } from './wire.ts';

const TYPES = { FLOAT: 1, INT: 2, STRING: 3, TENSOR: 4, GRAPH: 5, FLOATS: 6, INTS: 7, STRINGS: 8 } as const;
/** AttributeProto.AttributeType by the model's word for it. */
export const ATTRIBUTE_TYPES: Readonly<Record<Exclude<Attribute['type'], 'other' | 'ref'>, number>> = {
  float: TYPES.FLOAT,
  int: TYPES.INT,
  string: TYPES.STRING,
  tensor: TYPES.TENSOR,
  graph: TYPES.GRAPH,
  floats: TYPES.FLOATS,
  ints: TYPES.INTS,
  strings: TYPES.STRINGS,
};

/** Decodes a GraphProto inside an attribute. */
export type ReadNested = (wire: Uint8Array, where: string) => Graph;

/**
 * A NodeProto.
 * @param where what errors call it
 * @throws ModelError for a damaged one, one without an op_type, one that has an attribute twice
 */
export function readNode(wire: Uint8Array, where: string, options: ReadOptions, nested: ReadNested): Node {
  const parts = split(wire, NODE, where, [5], [1, 2, 3, 4, 7]);
  const n = attempt(() => proto.onnx.NodeProto.decode(parts.head), `${where}: damaged NodeProto`);
  if (!n.opType) throw new ModelError(`${where} has no op_type`);
  checkNames([n.name, n.opType, n.domain, ...n.input, ...n.output], parts.head, where);
  const label = `${where} (${show(n.opType).slice(1, -1)}${n.name ? ` ${show(n.name)}` : ''})`;
  const attributes = new Map<string, Attribute>();
  for (const bytes of parts.taken(5)) {
    const [name, attribute] = readAttribute(bytes, label, options, nested);
    if (attributes.has(name)) throw new ModelError(`${label} has the attribute ${show(name)} twice`);
    attributes.set(name, attribute);
  }
  const node: Node = {
    opType: n.opType,
    domain: n.domain === 'ai.onnx' ? '' : n.domain,
    name: n.name,
    inputs: n.input,
    outputs: n.output,
    attributes,
    ...overloadOf(parts.rest, NODE, 8, where),
    wire,
  };
  return keepRest(node, parts.rest);
}

/** The overload of a NodeProto or FunctionProto, which onnx-proto does not know. Written as part of the rest. */
export function overloadOf(
  rest: Uint8Array,
  schema: Schema,
  field: number,
  where: string,
): { readonly overload?: string } {
  const bytes = split(rest, schema, where, [field], []).taken(field).pop();
  return bytes?.length ? { overload: new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes) } : {};
}

/** An attribute's name alone. */
export function attributeName(wire: Uint8Array, where: string): string {
  const { head } = split(wire, ATTRIBUTE, where, [], [1]);
  const { name } = attempt(() => proto.onnx.AttributeProto.decode(head), `${where}: damaged attribute`);
  checkNames([name], head, where);
  return name;
}

/** An AttributeProto: its name and value. @throws ModelError for a damaged one */
export function readAttribute(
  wire: Uint8Array,
  where: string,
  options: ReadOptions,
  nested: ReadNested,
): [name: string, attribute: Attribute] {
  const parts = split(wire, ATTRIBUTE, `${where}: attribute`, [5, 6], [1, 2, 3, 4, 7, 8, 9, 20, 21]);
  const a = attempt(() => proto.onnx.AttributeProto.decode(parts.head), `${where}: damaged attribute`);
  if (!a.name) throw new ModelError(`${where}: an attribute has no name`);
  checkNames([a.name, a.refAttrName], parts.head, where);
  const label = `${where}: attribute ${show(a.name)}`;
  const t = parts.single(5);
  const g = parts.single(6);
  return [a.name, keepWire(decode(a, t, g, label, options, nested), wire)];
}

function decode(
  a: proto.onnx.AttributeProto,
  t: Uint8Array | undefined,
  g: Uint8Array | undefined,
  label: string,
  options: ReadOptions,
  nested: ReadNested,
): Attribute {
  const text = (bytes: Uint8Array) => new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes);
  if (a.refAttrName) return { type: 'ref', value: a.refAttrName, of: a.type };
  switch (a.type || inferType(a, t, g)) {
    case TYPES.FLOAT:
      return { type: 'float', value: a.f };
    case TYPES.INT:
      return { type: 'int', value: toNumber(a.i) };
    case TYPES.STRING:
      return { type: 'string', value: text(a.s as Uint8Array) };
    case TYPES.TENSOR: {
      if (!t) throw new ModelError(`${label} is of type TENSOR but has none`);
      const lazy = readTensor(t, label, options);
      return {
        type: 'tensor',
        get value() {
          return lazy.tensor();
        },
      };
    }
    case TYPES.GRAPH:
      if (!g) throw new ModelError(`${label} is of type GRAPH but has none`);
      return { type: 'graph', value: nested(g, label) };
    case TYPES.FLOATS:
      return { type: 'floats', value: a.floats };
    case TYPES.INTS:
      return { type: 'ints', value: a.ints.map((i) => toNumber(i)) };
    case TYPES.STRINGS:
      return { type: 'strings', value: (a.strings as Uint8Array[]).map(text) };
    default:
      return { type: 'other', value: null };
  }
}

/** Before IR version 2 attributes did not say their type: it is that of the field that is there. */
function inferType(a: proto.onnx.AttributeProto, t: Uint8Array | undefined, g: Uint8Array | undefined): number {
  if (t) return TYPES.TENSOR;
  if (g) return TYPES.GRAPH;
  if (a.floats.length) return TYPES.FLOATS;
  if (a.ints.length) return TYPES.INTS;
  if (a.strings.length) return TYPES.STRINGS;
  if (Object.hasOwn(a, 'f')) return TYPES.FLOAT;
  if (Object.hasOwn(a, 'i')) return TYPES.INT;
  if (Object.hasOwn(a, 's')) return TYPES.STRING;
  return 0;
}
