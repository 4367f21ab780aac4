import type { DType } from '../tensor.ts';

/** numpy's name of a type, for messages: 'float32'. */
export function numpyName(dtype: DType): string {
  return dtype === 'float' ? 'float32' : dtype === 'double' ? 'float64' : dtype;
}
