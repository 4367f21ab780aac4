/** New nodes, values, and changed models. What comes out has no `wire` and is encoded when written. */
import { DATA_TYPES } from '../tensor.ts';
import type { DType } from '../tensor.ts';
import type { Attribute, Graph, Model, ModelFunction, Node, ValueInfo } from './model.ts';
import { normalDomain } from './read.ts';

export { makeInitializer } from './tensor.ts';

/**
 * A new node.
 * @param inputs value names, '' for an absent optional one
 * @throws TypeError for names that are no strings, attributes that have no type
 */
export function makeNode(
  opType: string,
  inputs: readonly string[],
  outputs: readonly string[],
  attributes: ReadonlyMap<string, Attribute> | Readonly<Record<string, Attribute>> = {},
  options: { readonly name?: string; readonly domain?: string } = {},
): Node {
  for (const name of [opType, ...inputs, ...outputs])
    if (typeof name !== 'string') throw new TypeError(`${opType}: expected names of values, got ${typeof name}`);
  if (opType === '') throw new TypeError('node: expected an operator type, got an empty string');
  const map = attributes instanceof Map ? attributes : new Map(Object.entries(attributes));
  for (const [name, attribute] of map) checkAttribute(`${opType}: attribute '${name}'`, attribute);
  return {
    opType,
    domain: normalDomain(options.domain ?? ''),
    name: options.name ?? '',
    inputs: [...inputs],
    outputs: [...outputs],
    attributes: new Map(map),
  };
}

function checkAttribute(what: string, attribute: Attribute): void {
  const { type, value } = attribute;
  const each = (type === 'ints' || type === 'floats' || type === 'strings' ? value : [value]) as readonly unknown[];
  if (!Array.isArray(each)) throw new TypeError(`${what}: expected a list, got ${typeof value}`);
  for (const v of each) {
    if (type.startsWith('int') && !Number.isInteger(v)) throw new TypeError(`${what}: expected an integer, got ${v}`);
    if (type.startsWith('float') && typeof v !== 'number') throw new TypeError(`${what}: expected a number, got ${v}`);
    if (type.startsWith('string') && typeof v !== 'string') throw new TypeError(`${what}: expected text, got ${v}`);
  }
}

/** A new graph input, output or value_info entry of a tensor type. */
export function makeValueInfo(
  name: string,
  dtype: DType,
  dims: readonly (number | string | null)[] | undefined,
): ValueInfo {
  return { name, elemType: DATA_TYPES[dtype], dims };
}

/** The model with changes to its graph. */
export function withGraph(model: Model, changes: Partial<Omit<Graph, 'wire'>>): Model {
  return { ...model, graph: { ...model.graph, ...changes, wire: undefined }, wire: undefined };
}

/** First IR version whose checkers know an opset of ai.onnx (ONNX "Versioning", release table). */
const IR_OF_OPSET: readonly (readonly [opset: number, ir: number])[] = [
  [25, 13],
  [24, 12],
  [23, 11],
  [21, 10],
  [19, 9],
  [15, 8],
  [12, 7],
  [11, 6],
  [10, 5],
  [9, 4],
];

/** The IR version that goes with an opset of ai.onnx: 3 at least. */
export function irOfOpset(opset: number): number {
  return IR_OF_OPSET.find(([first]) => opset >= first)?.[1] ?? 3;
}

/**
 * The model importing a domain at `version` at least. The IR version is raised where the opset of ai.onnx needs a later one.
 * Only the number changes: operators whose meaning differs between the two versions are the caller's.
 */
export function withOpset(model: Model, domain: string, version: number): Model {
  if (!Number.isSafeInteger(version) || version < 1)
    throw new RangeError(`opset version: expected a positive integer, got ${version}`);
  const key = normalDomain(domain);
  if ((model.opsets.get(key) ?? 0) >= version) return model;
  const opsets = new Map(model.opsets).set(key, version);
  const raised: Model = { ...model, opsets, wire: undefined };
  return key === '' ? withIrVersion(raised, irOfOpset(version)) : raised;
}

/** The model at that IR version at least. */
export function withIrVersion(model: Model, irVersion: number): Model {
  return model.irVersion >= irVersion ? model : { ...model, irVersion, wire: undefined };
}

/**
 * The model with model-local functions added, at IR version 8 at least (the first that has them); their domains are
 * imported at version 1 where they are not yet.
 * @throws RangeError where the model has a function of that domain and name
 */
export function withFunctions(model: Model, functions: readonly ModelFunction[]): Model {
  const all = [...model.functions];
  let out: Model = { ...withIrVersion(model, 8), wire: undefined };
  for (const f of functions) {
    if (all.some((g) => g.name === f.name && g.domain === f.domain))
      throw new RangeError(`the model has a function '${f.domain}.${f.name}' already`);
    all.push(f);
    out = withOpset(out, f.domain, 1);
  }
  return { ...out, functions: all };
}
