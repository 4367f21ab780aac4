/**
 * Model -> bytes. Every message that still has its `wire` is copied; the others are encoded, and what this version does not
 * know of them (`rest`) is copied behind.
 */
import proto from 'onnx-proto';
import protobuf from 'protobufjs/minimal.js';
import { ModelError } from '../errors.ts';
import { tensor } from '../tensor.ts';
import type { Attribute, Graph, Initializer, Model, ModelFunction, Node, ValueInfo } from './model.ts';
import { ATTRIBUTE_TYPES, attributeName } from './node.ts';
import { headOf, restOf, wireOf } from './origin.ts';
import { FUNCTION, GRAPH } from './schema.ts';
import { rawBytes, tensorHeader } from './tensor.ts';
import { encoded, split } from './wire.ts';

/** Protocol buffers end here; a larger model needs external data. */
export const MAX_BYTES = 2 ** 31 - 1;

/** A message in pieces, joined once at the end: weights are not copied on the way. */
class Message {
  readonly #pieces: Uint8Array[] = [];
  length = 0;

  add(bytes: Uint8Array): this {
    if (bytes.length) this.#pieces.push(bytes);
    this.length += bytes.length;
    return this;
  }
  /** A length-delimited field. */
  field(number: number, content: Uint8Array | Message): this {
    if (content.length > MAX_BYTES) throw tooLarge(content.length);
    this.add(
      new protobuf.Writer()
        .uint32((number << 3) | 2)
        .uint32(content.length)
        .finish(),
    );
    if (content instanceof Message) {
      for (const piece of content.#pieces) this.#pieces.push(piece);
      this.length += content.length;
    } else this.add(content);
    return this;
  }
  text(number: number, content: string): this {
    return this.field(number, new TextEncoder().encode(content));
  }
  finish(): Uint8Array {
    if (this.length > MAX_BYTES) throw tooLarge(this.length);
    const out = new Uint8Array(this.length);
    let at = 0;
    for (const piece of this.#pieces) {
      out.set(piece, at);
      at += piece.length;
    }
    return out;
  }
}

function tooLarge(bytes: number): ModelError {
  return new ModelError(`the model would be ${bytes} bytes, more than the ${MAX_BYTES} an ONNX file can hold`);
}

/**
 * The bytes of a model. Those it was read from where nothing changed: the very same array then, not a copy.
 * @throws ModelError for more than 2 GiB
 */
export function writeModel(model: Model): Uint8Array {
  if (model.wire) return model.wire;
  const head = headOf(model) ?? encodeHead(model);
  const out = new Message().add(head).add(model.rest).field(7, graphMessage(model.graph));
  for (const f of model.functions) out.field(25, functionMessage(f));
  return out.finish();
}

function encodeHead({ irVersion, opsets, producer }: Model): Uint8Array {
  const head: proto.onnx.IModelProto = { irVersion, opsetImport: opsetImport(opsets) };
  if (producer) head.producerName = producer;
  return encoded(proto.onnx.ModelProto, head);
}

function opsetImport(opsets: ReadonlyMap<string, number>): { domain: string; version: number }[] {
  return [...opsets].map(([domain, version]) => ({ domain, version }));
}

function graphMessage(graph: Graph): Message {
  const out = new Message();
  if (graph.wire) return out.add(graph.wire);
  for (const node of graph.nodes) out.field(1, nodeMessage(node));
  const named = split(graph.rest, GRAPH, `graph '${graph.name}'`, [2], []);
  const nameBytes = named.taken(2).pop();
  const kept = nameBytes ? new TextDecoder('utf-8', { ignoreBOM: true }).decode(nameBytes) : '';
  if (kept === graph.name) out.add(graph.rest);
  else out.text(2, graph.name).add(named.rest);
  for (const t of graph.initializers) out.field(5, tensorMessage(t));
  for (const v of graph.inputs) out.field(11, valueInfoBytes(v));
  for (const v of graph.outputs) out.field(12, valueInfoBytes(v));
  for (const v of graph.valueInfo) out.field(13, valueInfoBytes(v));
  return out;
}

function nodeMessage(node: Node): Message {
  const out = new Message();
  if (node.wire) return out.add(node.wire);
  const head: { input: string[]; output: string[]; opType: string; name?: string; domain?: string } = {
    input: [...node.inputs],
    output: [...node.outputs],
    opType: node.opType,
  };
  if (node.name) head.name = node.name;
  if (node.domain) head.domain = node.domain;
  out.add(encoded(proto.onnx.NodeProto, head));
  for (const [name, attribute] of node.attributes)
    out.field(5, attributeMessage(name, attribute, `${node.opType} '${node.name}'`));
  return out.add(restOf(node));
}

function attributeMessage(name: string, attribute: Attribute, where: string): Message {
  const wire = wireOf(attribute);
  const out = new Message();
  if (wire) return out.add(wire);
  const { type, value } = attribute;
  if (type === 'other') throw new TypeError(`${where}: attribute '${name}' has no value that could be written`);
  const head: proto.onnx.IAttributeProto = {
    name,
    type: type === 'ref' ? attribute.of : ATTRIBUTE_TYPES[type],
  };
  const bytes = (text: string) => new TextEncoder().encode(text);
  if (type === 'float') head.f = value;
  else if (type === 'int') head.i = int64(value);
  else if (type === 'string') head.s = bytes(value);
  else if (type === 'ref') head.refAttrName = value;
  else if (type === 'floats') head.floats = [...value];
  else if (type === 'ints') head.ints = value.map(int64);
  else if (type === 'strings') head.strings = value.map(bytes);
  out.add(encoded(proto.onnx.AttributeProto, head));
  if (type === 'tensor') out.field(5, new Message().add(tensorHeader('', value)).field(9, rawBytes(value)));
  else if (type === 'graph') out.field(6, graphMessage(value));
  return out;
}

/** A 64-bit integer for onnx-proto's encoders; 2^63 and more saturate. */
export function int64(value: number): number {
  if (Number.isSafeInteger(value)) return value;
  if (!Number.isInteger(value)) throw new RangeError(`expected an integer attribute, got ${value}`);
  const clamped = BigInt.asIntN(
    64,
    value >= 2 ** 63 ? 2n ** 63n - 1n : value <= -(2 ** 63) ? -(2n ** 63n) : BigInt(value),
  );
  const long = { low: Number(BigInt.asIntN(32, clamped)), high: Number(clamped >> 32n), unsigned: false };
  return long as unknown as number;
}

function tensorMessage(t: Initializer): Message {
  const out = new Message();
  if (t.wire) return out.add(t.wire);
  const made = t.tensor();
  // Checked again: between makeInitializer and here the elements were in the caller's hands.
  tensor(made.dtype, made.dims, made.data);
  out.add(tensorHeader(t.name, made));
  // Small whole numbers, such as those of a shape, take a byte or two each instead of eight.
  const short = made.dtype === 'int64' ? varints(made.data as BigInt64Array) : undefined;
  if (short) return out.field(7, short);
  return out.field(9, rawBytes(made));
}

/** The numbers, seven bits a byte; undefined where that is no shorter than eight bytes each. */
function varints(values: BigInt64Array): Uint8Array | undefined {
  const bytes: number[] = [];
  for (const v of values) {
    let rest = BigInt.asUintN(64, v);
    for (; rest >= 128n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128);
    bytes.push(Number(rest));
    if (bytes.length >= values.byteLength) return undefined;
  }
  return Uint8Array.from(bytes);
}

function valueInfoBytes(v: ValueInfo): Uint8Array {
  if (v.wire) return v.wire;
  const message: proto.onnx.IValueInfoProto = { name: v.name };
  if (v.elemType !== undefined) {
    message.type = { tensorType: { elemType: v.elemType } };
    if (v.dims) message.type.tensorType!.shape = { dim: v.dims.map(dimension) };
  }
  return encoded(proto.onnx.ValueInfoProto, message);
}

function dimension(d: number | string | null): proto.onnx.TensorShapeProto.IDimension {
  if (d === null) return {};
  return typeof d === 'string' ? { dimParam: d } : { dimValue: int64(d) };
}

function functionMessage(f: ModelFunction): Message {
  const out = new Message();
  if (f.wire) return out.add(f.wire);
  // Attributes with a default are in the rest.
  const where = `function '${f.name}'`;
  const withDefaults = split(restOf(f), FUNCTION, where, [11], [])
    .taken(11)
    .map((w) => attributeName(w, where));
  out.add(
    encoded(proto.onnx.FunctionProto, {
      name: f.name,
      domain: f.domain,
      input: [...f.inputs],
      output: [...f.outputs],
      attribute: f.attributes.filter((name) => !withDefaults.includes(name) && !f.defaults?.has(name)),
      opsetImport: opsetImport(f.opsets),
    }),
  );
  for (const node of f.nodes) out.field(7, nodeMessage(node));
  for (const [name, value] of f.defaults ?? [])
    if (!withDefaults.includes(name)) out.field(11, attributeMessage(name, value, where));
  return out.add(restOf(f));
}
