/** Tensors kept outside the model file (ONNX IR specification, "External Data"): brought in, and moved out. */
import proto from 'onnx-proto';
import { sizeOf, bitsOf, dtypeOf } from '../tensor.ts';
import { withGraph } from './make.ts';
import type { Graph, Initializer, Model, Node } from './model.ts';
import { withNode } from './origin.ts';
import { type External, rawBytes } from './tensor.ts';
import { encoded } from './wire.ts';
import { MAX_BYTES, writeModel } from './write.ts';

/** Smaller tensors stay in the model file. */
const SMALLEST = 1024;
/** Tensors begin at multiples of this, so that runtimes can map them into memory. */
const ALIGNMENT = 4096;

/** A model as files: the model's own, and where it does not fit into one the data beside it, in pieces to be written one by one. */
export interface ModelFiles {
  readonly bytes: Uint8Array;
  readonly data: { readonly location: string; readonly length: number; pieces(): Iterable<Uint8Array> } | undefined;
}

/**
 * The bytes of a model whole: tensors kept outside the file it was read from are brought in, so that what is written does not
 * depend on where it lies. A model of more than 2 GiB keeps its larger tensors in a second file, named `location`, relative to
 * the first.
 * @param limit bytes of the first file from which on tensors are moved out
 * @throws ModelError for external data that cannot be read, or more than 2 GiB without a `location`
 */
export function writeModelFiles(model: Model, location?: string, limit = MAX_BYTES): ModelFiles {
  const whole = embedded(model);
  if (location === undefined || storedBytes(whole.graph) < limit) return { bytes: writeModel(whole), data: undefined };
  const moved: { initializer: Initializer; offset: number; length: number }[] = [];
  let end = 0;
  const initializers = whole.graph.initializers.map((t) => {
    const length = bytesOf(t);
    if (length < SMALLEST || dtypeOf(t.dataType) === undefined) return t;
    const offset = Math.ceil(end / ALIGNMENT) * ALIGNMENT;
    moved.push({ initializer: t, offset, length });
    end = offset + length;
    return outside(t, location, offset, length);
  });
  return {
    bytes: writeModel(withGraph(whole, { initializers })),
    data: {
      location,
      length: end,
      *pieces() {
        let at = 0;
        for (const { initializer, offset, length } of moved) {
          if (offset > at) yield new Uint8Array(offset - at);
          yield rawBytes(initializer.tensor());
          at = offset + length;
        }
      },
    },
  };
}

/** Bytes of the tensors that are kept outside the model's file. */
export function externalBytes(model: Model): number {
  return model.graph.initializers.reduce((n, t) => n + (t.external === undefined ? 0 : bytesOf(t)), 0);
}

/** The files that the model's tensors are kept in, by the names it has for them, those of its bodies' too. */
export function externalLocations({ graph }: Model): string[] {
  const found = new Set<string>();
  const add = ({ initializers, nodes }: Graph): void => {
    for (const { external } of initializers) if (external !== undefined) found.add(external);
    for (const { attributes } of nodes) for (const a of attributes.values()) if (a.type === 'graph') add(a.value);
  };
  add(graph);
  return [...found].sort();
}

/** Bytes of the files together. */
export function sizeOfFiles({ bytes, data }: ModelFiles): number {
  return bytes.length + (data?.length ?? 0);
}

/** Gives the data beside a model's file as `readModel` asks for it. */
export function dataOf({ data }: ModelFiles): External | undefined {
  if (!data) return undefined;
  const all = new Uint8Array(data.length);
  let at = 0;
  for (const piece of data.pieces()) {
    all.set(piece, at);
    at += piece.length;
  }
  return (_location, offset, length) => all.subarray(offset, offset + length);
}

/** The model with all tensors in it. External ones are read when they are written, one after the other. */
export function embedded(model: Model): Model {
  const graph = embeddedGraph(model.graph);
  return graph === model.graph ? model : { ...model, graph, wire: undefined };
}

function embeddedGraph(graph: Graph): Graph {
  const initializers = graph.initializers.map(embeddedTensor);
  const nodes = graph.nodes.map(embeddedNode);
  const same = initializers.every((t, i) => t === graph.initializers[i]) && nodes.every((n, i) => n === graph.nodes[i]);
  return same ? graph : { ...graph, initializers, nodes, wire: undefined };
}

function embeddedTensor(t: Initializer): Initializer {
  if (t.external === undefined) return t;
  return { name: t.name, dataType: t.dataType, dims: t.dims, tensor: () => t.tensor() };
}

function embeddedNode(node: Node): Node {
  let changed = false;
  const attributes = new Map(node.attributes);
  for (const [name, attribute] of node.attributes) {
    if (attribute.type !== 'graph') continue;
    const value = embeddedGraph(attribute.value);
    if (value === attribute.value) continue;
    attributes.set(name, { type: 'graph', value });
    changed = true;
  }
  return changed ? withNode(node, { attributes }) : node;
}

function outside(t: Initializer, location: string, offset: number, length: number): Initializer {
  const entries = { location, offset: String(offset), length: String(length) };
  const wire = encoded(proto.onnx.TensorProto, {
    name: t.name,
    dataType: t.dataType,
    dims: [...t.dims],
    externalData: Object.entries(entries).map(([key, value]) => ({ key, value })),
    dataLocation: 1,
  });
  return { name: t.name, dataType: t.dataType, dims: t.dims, external: location, wire, tensor: () => t.tensor() };
}

/** Bytes of a tensor's elements; of a type that Kappa has none of, those of its message. */
function bytesOf(t: Initializer): number {
  const dtype = dtypeOf(t.dataType);
  return dtype === undefined ? (t.wire?.length ?? 0) : Math.ceil((sizeOf(t.dims) * bitsOf(dtype)) / 8);
}

/** About the bytes of a graph: its tensors, and what else has bytes already. */
function storedBytes(graph: Graph): number {
  let n = 0;
  for (const t of graph.initializers) n += bytesOf(t) + t.name.length + 64;
  for (const node of graph.nodes) {
    n += node.wire?.length ?? 256;
    if (node.wire === undefined)
      for (const a of node.attributes.values()) {
        if (a.type === 'graph') n += storedBytes(a.value);
        else if (a.type === 'tensor') n += a.value.data.byteLength;
      }
  }
  return n;
}
