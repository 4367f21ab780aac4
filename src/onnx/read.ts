/**
 * Bytes -> Model (onnx.proto; ONNX IR specification). The outline (model, graphs, nodes, attributes) is found by a bounded
 * scan that keeps every message's bytes; the small messages are decoded by onnx-proto.
 */
import proto from 'onnx-proto';
import { ModelError } from '../errors.ts';
import { checkFunctions, checkGraph, checkOpsets } from './check.ts';
import type { Graph, Model, ModelFunction, ValueInfo } from './model.ts';
import { overloadOf, readAttribute, readNode } from './node.ts';
import { keepHead, keepRest } from './origin.ts';
import { FUNCTION, GRAPH, MODEL, VALUE_INFO } from './schema.ts';
import { show } from './show.ts';
import { sniff } from './sniff.ts';
import type { ReadOptions } from './tensor.ts';
import { readTensor } from './tensor.ts';
import type { Parts } from './wire.ts';
import { attempt, checkNames, MAX_DEPTH, split, toNumber } from './wire.ts';

/**
 * Reads an ONNX model. The model keeps views of `bytes`: do not write to them afterwards.
 * @param name what errors call the model: a file name
 * @throws ModelError for bytes that are no ONNX model, a damaged one, or one that contradicts itself
 */
export function readModel(bytes: Uint8Array, name = 'model', options: ReadOptions = {}): Model {
  if (!(bytes instanceof Uint8Array)) throw new TypeError(`readModel: expected a Uint8Array, got ${typeof bytes}`);
  const wire = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const parts = outline(wire, name);
  const m = attempt(() => proto.onnx.ModelProto.decode(parts.head), `${name}: damaged ModelProto`);
  const irVersion = toNumber(m.irVersion);
  if (irVersion < 1) throw new ModelError(`${name}: no IR version: not an ONNX model, or a damaged one${hint(wire)}`);
  const graphWire = parts.single(7);
  if (!graphWire) throw new ModelError(`${name}: the model has no graph`);
  const model: Model = {
    irVersion,
    opsets: opsets(m.opsetImport, name),
    producer: m.producerName,
    graph: readGraph(graphWire, `${name}: graph`, options, 0),
    functions: parts.taken(25).map((f, i) => readFunction(f, `${name}: function ${i}`, options)),
    rest: parts.rest,
    wire,
  };
  checkOpsets(model, name);
  checkFunctions(model, name);
  return keepHead(model, parts.head);
}

/** The fields of ModelProto, or an error that says what the bytes are instead. */
function outline(wire: Uint8Array, name: string): Parts {
  if (wire.length === 0) throw new ModelError(`${name}: the file is empty, expected an ONNX model`);
  const other = sniff(wire);
  if (other) throw new ModelError(`${name}: not an ONNX model but ${other}`);
  try {
    return split(wire, MODEL, name, [7, 25], [1, 2, 8]);
  } catch (error) {
    // Every exporter writes the IR version first; where that is missing the bytes are most likely something else.
    if (error instanceof ModelError && !startsLikeModel(wire))
      throw new ModelError(
        `${name}: not an ONNX model: the bytes are no protocol buffer (an .onnx.data file holds weights only: give the .onnx file)`,
        { cause: error },
      );
    throw error;
  }
}

function startsLikeModel(wire: Uint8Array): boolean {
  return wire[0] === 0x08 && wire[1]! > 0 && wire[1]! < 64;
}

function hint(wire: Uint8Array): string {
  return startsLikeModel(wire) ? '' : ' (a lone TensorProto or an .onnx.data file?)';
}

function opsets(
  imports: readonly { domain?: string | null; version?: number | Parameters<typeof toNumber>[0] }[],
  where: string,
): Map<string, number> {
  const map = new Map<string, number>();
  for (const entry of imports) {
    const domain = normalDomain(entry.domain ?? '');
    const version = toNumber(entry.version);
    const before = map.get(domain);
    if (before !== undefined && before !== version)
      throw new ModelError(
        `${where}: domain ${show(domain || 'ai.onnx')} is imported at versions ${before} and ${version}`,
      );
    if (!(version >= 1 && version < 1e6))
      throw new ModelError(`${where}: domain ${show(domain || 'ai.onnx')} is imported at version ${version}`);
    map.set(domain, version);
  }
  return map;
}

/** The default domain has two spellings. */
export function normalDomain(domain: string): string {
  return domain === 'ai.onnx' ? '' : domain;
}

/**
 * A GraphProto.
 * @param where what errors call it
 * @param depth of nesting: 0 for the model's own
 */
export function readGraph(wire: Uint8Array, where: string, options: ReadOptions, depth: number): Graph {
  if (depth > MAX_DEPTH) throw new ModelError(`${where}: graphs are nested deeper than ${MAX_DEPTH} levels`);
  const parts = split(wire, GRAPH, where, [1, 2, 5, 11, 12, 13], []);
  const nameBytes = parts.taken(2).pop();
  const name = nameBytes ? new TextDecoder('utf-8', { ignoreBOM: true }).decode(nameBytes) : '';
  // Deep inside, the outermost and the innermost names are the ones that help.
  const nested = (w: Uint8Array, inside: string) =>
    readGraph(
      w,
      inside.length > 400 ? `${inside.slice(0, 200)} ... ${inside.slice(-190)}` : inside,
      options,
      depth + 1,
    );
  const graph: Graph = {
    name,
    nodes: parts.taken(1).map((w, i) => readNode(w, `${where}: node ${i}`, options, nested)),
    initializers: parts.taken(5).map((w, i) => {
      const init = readTensor(w, `${where}: initializer ${i}`, options);
      if (!init.name) throw new ModelError(`${where}: initializer ${i} has no name`);
      return init;
    }),
    inputs: parts.taken(11).map((w, i) => readValueInfo(w, `${where}: input ${i}`)),
    outputs: parts.taken(12).map((w, i) => readValueInfo(w, `${where}: output ${i}`)),
    valueInfo: parts.taken(13).map((w, i) => readValueInfo(w, `${where}: value_info ${i}`)),
    rest: split(wire, GRAPH, where, [1, 5, 11, 12, 13], []).rest,
    wire,
  };
  checkGraph(graph, where);
  return graph;
}

/** A ValueInfoProto; the type is decoded where it is a tensor's. */
export function readValueInfo(wire: Uint8Array, where: string): ValueInfo {
  const parts = split(wire, VALUE_INFO, where, [], [1, 2]);
  const v = attempt(() => proto.onnx.ValueInfoProto.decode(parts.head), `${where}: damaged ValueInfoProto`);
  if (!v.name) throw new ModelError(`${where} has no name`);
  checkNames([v.name], wire, where);
  const tensorType = v.type?.tensorType;
  const shape = tensorType?.shape;
  return {
    name: v.name,
    elemType: tensorType ? (tensorType.elemType ?? 0) : undefined,
    dims: shape ? (shape.dim ?? []).map((d) => dimension(d, `${where} ${show(v.name)}`)) : undefined,
    wire,
  };
}

interface Dimension {
  dimValue?: Parameters<typeof toNumber>[0];
  dimParam?: string | null;
}

function dimension(d: Dimension, where: string): number | string | null {
  if (Object.hasOwn(d, 'dimParam') && d.dimParam) return d.dimParam;
  if (!Object.hasOwn(d, 'dimValue')) return null;
  const n = toNumber(d.dimValue);
  // Some exporters write -1 for a dimension they do not know.
  if (n === -1) return null;
  if (!(n >= 0 && n <= Number.MAX_SAFE_INTEGER)) throw new ModelError(`${where}: dimension ${n}, expected 0 or more`);
  return n;
}

function readFunction(wire: Uint8Array, where: string, options: ReadOptions): ModelFunction {
  const parts = split(wire, FUNCTION, where, [7], [1, 4, 5, 6, 9, 10]);
  const f = attempt(() => proto.onnx.FunctionProto.decode(parts.head), `${where}: damaged FunctionProto`);
  if (!f.name) throw new ModelError(`${where} has no name`);
  checkNames([f.name, f.domain, ...f.input, ...f.output, ...f.attribute], parts.head, where);
  const label = `${where} ${show(f.name)}`;
  const nested = (w: Uint8Array, inside: string) => readGraph(w, inside, options, 1);
  const withDefaults = split(parts.rest, FUNCTION, label, [11], [])
    .taken(11)
    .map((w) => readAttribute(w, label, options, nested));
  const made: ModelFunction = {
    name: f.name,
    domain: normalDomain(f.domain),
    inputs: f.input,
    outputs: f.output,
    attributes: [...f.attribute, ...withDefaults.map(([name]) => name)],
    ...(withDefaults.length > 0 ? { defaults: new Map(withDefaults) } : {}),
    ...overloadOf(parts.rest, FUNCTION, 13, label),
    opsets: opsets(f.opsetImport, label),
    nodes: parts.taken(7).map((w, i) => readNode(w, `${label}: node ${i}`, options, nested)),
    wire,
  };
  return keepRest(made, parts.rest);
}
