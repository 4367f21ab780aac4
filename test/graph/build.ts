import { irOfOpset, makeInitializer, makeNode, readModel, writeModel } from '../../src/onnx/index.ts';
import type { Attribute, Graph, Model, ModelFunction, Node, ValueInfo } from '../../src/onnx/model.ts';
import { DATA_TYPES, type DType, type Tensor, tensor } from '../../src/tensor.ts';

/** Graphs and models for tests, by hand. */

const NONE = new Uint8Array(0);

/** A value: `x`, `x:int64`, `x:float[2,N]`; float of any shape unless told. */
export function value(text: string): ValueInfo {
  const found = /^([^:]*)(?::(\w+))?(?:\[(.*)\])?$/.exec(text)!;
  const dims = found[3] === undefined ? undefined : found[3] === '' ? [] : found[3].split(',');
  return {
    name: found[1]!,
    elemType: DATA_TYPES[(found[2] ?? 'float') as DType],
    dims: dims?.map((d) => (/^\d+$/.test(d) ? Number(d) : d)),
  };
}

export function graph(
  inputs: readonly string[],
  outputs: readonly string[],
  nodes: readonly Node[],
  initializers: Readonly<Record<string, Tensor>> = {},
): Graph {
  return {
    name: 'g',
    nodes,
    initializers: Object.entries(initializers).map(([name, t]) => makeInitializer(name, t)),
    inputs: inputs.map(value),
    outputs: outputs.map(value),
    valueInfo: [],
    rest: NONE,
  };
}

export interface ModelOptions {
  readonly opset?: number;
  readonly opsets?: Readonly<Record<string, number>>;
  readonly functions?: readonly ModelFunction[];
  readonly irVersion?: number;
}

/** A model, through the writer and the reader. */
export function modelOf(g: Graph, options: ModelOptions = {}): Model {
  const { opset = 17, opsets = {}, functions = [] } = options;
  const made: Model = {
    irVersion: options.irVersion ?? Math.max(irOfOpset(opset), functions.length > 0 ? 8 : 0),
    opsets: new Map([['', opset], ...Object.entries(opsets)]),
    producer: 'test',
    functions,
    rest: NONE,
    graph: g,
  };
  return readModel(writeModel(made), 'model');
}

/** A node by its operator (`com.microsoft.Gelu` with a domain), inputs and outputs apart by commas. */
export function node(
  op: string,
  inputs: string,
  outputs: string,
  attributes: Readonly<Record<string, Attribute>> = {},
  name = '',
): Node {
  const at = op.lastIndexOf('.');
  const list = (text: string) => (text === '' ? [] : text.split(','));
  return makeNode(op.slice(at + 1), list(inputs), list(outputs), attributes, {
    domain: op.slice(0, Math.max(at, 0)),
    name,
  });
}

export const body = (value: Graph): Attribute => ({ type: 'graph', value });
export const held = (value: Tensor): Attribute => ({ type: 'tensor', value });
export const ref = (value: string, of: number): Attribute => ({ type: 'ref', value, of });
export const flag = (value: boolean): Tensor => tensor('bool', [], Uint8Array.of(value ? 1 : 0));

export function fn(
  name: string,
  inputs: string,
  outputs: string,
  nodes: readonly Node[],
  more: Partial<ModelFunction> = {},
): ModelFunction {
  const list = (text: string) => (text === '' ? [] : text.split(','));
  return {
    name,
    domain: 'my',
    inputs: list(inputs),
    outputs: list(outputs),
    attributes: [],
    opsets: new Map([
      ['', 17],
      ['my', 1],
    ]),
    nodes,
    ...more,
  };
}
