import { tensor, type Tensor } from '../../src/tensor.ts';

/** The float tensor's values as doubles. */
export function widened(t: Tensor): Tensor {
  return tensor('double', t.dims, Float64Array.from(t.data as Float32Array));
}

/** A double tensor rounded to float, to be held against the same run in float. */
export function narrowed(t: Tensor): Tensor {
  if (t.dtype !== 'double') throw new TypeError(`expected a double tensor, found ${t.dtype}`);
  return tensor('float', t.dims, Float32Array.from(t.data as Float64Array));
}
