/** What was read of messages that the model has no place for, so that a changed message keeps it. */
import type { Attribute, Model, ModelFunction, Node } from './model.ts';

const NONE = new Uint8Array(0);
const rests = new WeakMap<Node | ModelFunction, Uint8Array>();
const wires = new WeakMap<Attribute, Uint8Array>();
const heads = new WeakMap<Model['opsets'], Pick<Model, 'irVersion' | 'producer'> & { bytes: Uint8Array }>();

/** Fields beyond those of the model (doc_string, metadata_props...), tags included; empty for what was made anew. */
export function restOf(message: Node | ModelFunction): Uint8Array {
  return rests.get(message) ?? NONE;
}

export function keepRest<T extends Node | ModelFunction>(message: T, rest: Uint8Array): T {
  rests.set(message, rest);
  return message;
}

/** The AttributeProto an attribute was read from, undefined for one made anew. */
export function wireOf(attribute: Attribute): Uint8Array | undefined {
  return wires.get(attribute);
}

export function keepWire(attribute: Attribute, wire: Uint8Array): Attribute {
  wires.set(attribute, wire);
  return attribute;
}

/** The node with changes; attributes that are still the same objects and fields the model has no place for are kept. */
export function withNode(node: Node, changes: Partial<Omit<Node, 'wire'>>): Node {
  return keepRest({ ...node, ...changes, wire: undefined }, restOf(node));
}

/** The function with changes; fields the model has no place for are kept. */
export function withFunction(f: ModelFunction, changes: Partial<Omit<ModelFunction, 'wire'>>): ModelFunction {
  return keepRest({ ...f, ...changes, wire: undefined }, restOf(f));
}

/** The fields of a model's IR version, producer and operator sets as they came; undefined where one was changed. */
export function headOf(model: Model): Uint8Array | undefined {
  const head = heads.get(model.opsets);
  return head && head.irVersion === model.irVersion && head.producer === model.producer ? head.bytes : undefined;
}

export function keepHead(model: Model, bytes: Uint8Array): Model {
  heads.set(model.opsets, { irVersion: model.irVersion, producer: model.producer, bytes });
  return model;
}
