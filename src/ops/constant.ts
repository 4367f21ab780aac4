import { ModelError, UnsupportedError } from '../errors.ts';
import { type Tensor, tensor } from '../tensor.ts';
import { float, floats, has, int, ints, since, tensorAttribute } from './attributes.ts';
import type { NodeSpec, Op } from './op.ts';
import { elements, integers, need } from './shape.ts';

const FORMS = [
  'value',
  'value_float',
  'value_floats',
  'value_int',
  'value_ints',
  'sparse_value',
  'value_string',
  'value_strings',
];

/** The tensor a Constant node holds. @throws ModelError, UnsupportedError */
export function constantValue(node: NodeSpec): Tensor {
  const form = FORMS.filter((f) => has(node, f));
  if (form.length !== 1)
    throw new ModelError(`expected one of ${FORMS.join(', ')}, found ${form.join(', ') || 'none'}`);
  switch (form[0]) {
    case 'value':
      return tensorAttribute(node, 'value')!;
    case 'value_float':
      return tensor('float', [], Float32Array.of(float(node, 'value_float')));
    case 'value_floats': {
      const v = floats(node, 'value_floats')!;
      return tensor('float', [v.length], Float32Array.from(v));
    }
    case 'value_int':
      return tensor('int64', [], BigInt64Array.of(BigInt(int(node, 'value_int'))));
    case 'value_ints': {
      const v = ints(node, 'value_ints')!;
      return tensor('int64', [v.length], BigInt64Array.from(v, BigInt));
    }
    default:
      throw new UnsupportedError(`attribute "${form[0]}"`);
  }
}

export const Constant: Op = since(1, (node) => {
  const value = constantValue(node);
  return () => [value];
});

/** A shape filled with one value, float 0 unless told. */
export const ConstantOfShape: Op = since(9, (node) => {
  const value = tensorAttribute(node, 'value');
  if (value !== undefined && value.data.length !== 1)
    throw new ModelError(`attribute "value": expected one element, found shape [${value.dims}]`);
  return (inputs, rt) => {
    const y = rt.empty(value?.dtype ?? 'float', integers(need(inputs, 0, 'input'), 'input'));
    elements(y).fill((value?.data[0] ?? 0) as number);
    return [y];
  };
});
