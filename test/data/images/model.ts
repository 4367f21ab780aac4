/** Models of which only inputs matter. */
import type { Graph, Model, ValueInfo } from '../../../src/onnx/model.ts';
import { DATA_TYPES, type DType } from '../../../src/tensor.ts';

type Dims = readonly (number | string | null)[] | undefined;

/** A model with one input `x`. */
export function modelOf(dims: Dims, dtype: DType = 'float', ...others: string[]): Pick<Model, 'graph'> {
  const input = { name: 'x', elemType: DATA_TYPES[dtype], ...(dims ? { dims } : {}) };
  const inputs = [input, ...others.map((name) => ({ name, elemType: 1 }))] as unknown as ValueInfo[];
  const initializers = [{ name: 'weight' }];
  return { graph: { inputs: [...inputs, { name: 'weight', elemType: 1 }], initializers } as unknown as Graph };
}
