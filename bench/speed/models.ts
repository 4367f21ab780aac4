/** Models the benchmark makes: written by Kappa's writer, read by everyone. */
import { type Attribute, makeInitializer, makeNode, type Node, type Tensor, writeModel } from '../../src/node.ts';
import { DATA_TYPES, type DType } from '../../src/tensor.ts';

const NONE = new Uint8Array(0);

export interface Part {
  readonly name: string;
  readonly tensor: Tensor;
}

export interface Ends {
  readonly name: string;
  readonly dtype: DType;
  readonly dims: readonly (number | string)[];
}

/** A model file of opset 17 (and com.microsoft 1). */
export function modelFile(
  nodes: readonly Node[],
  constants: readonly Part[],
  inputs: readonly Ends[],
  outputs: readonly Ends[],
): Uint8Array {
  const value = ({ name, dtype, dims }: Ends) => ({ name, elemType: DATA_TYPES[dtype], dims: [...dims] });
  return writeModel({
    irVersion: 8,
    opsets: new Map([
      ['', 17],
      ['com.microsoft', 1],
    ]),
    producer: 'kappa bench',
    functions: [],
    rest: NONE,
    graph: {
      name: 'bench',
      nodes,
      initializers: constants.map(({ name, tensor }) => makeInitializer(name, tensor)),
      inputs: inputs.map(value),
      outputs: outputs.map(value),
      valueInfo: [],
      rest: NONE,
    },
  });
}

export interface OneNode {
  readonly op: string;
  readonly domain?: string;
  /** Operands in order; a constant becomes an initializer, the others are fed. */
  readonly inputs: readonly { readonly tensor: Tensor; readonly constant?: boolean }[];
  readonly attributes?: Readonly<Record<string, Attribute>>;
  readonly output: { readonly dtype: DType; readonly dims: readonly number[] };
}

/** A model of one node, and what to feed it: inputs x0, x1... and output y. */
export function oneNode(n: OneNode): { readonly bytes: Uint8Array; readonly feeds: Record<string, Tensor> } {
  const parts = n.inputs.map(({ tensor, constant }, i) => ({ name: `x${i}`, tensor, constant: constant === true }));
  const fed = parts.filter((p) => !p.constant);
  const node = makeNode(
    n.op,
    parts.map((p) => p.name),
    ['y'],
    n.attributes ?? {},
    { name: 'node', domain: n.domain ?? '' },
  );
  const bytes = modelFile(
    [node],
    parts.filter((p) => p.constant),
    fed.map(({ name, tensor }) => ({ name, dtype: tensor.dtype, dims: tensor.dims })),
    [{ name: 'y', ...n.output }],
  );
  return { bytes, feeds: Object.fromEntries(fed.map(({ name, tensor }) => [name, tensor])) };
}

export const floatTensor = (dims: readonly number[], data: Float32Array): Tensor => ({ dtype: 'float', dims, data });
export const int = (value: number): Attribute => ({ type: 'int', value });
export const ints = (value: readonly number[]): Attribute => ({ type: 'ints', value });
