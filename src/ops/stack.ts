import { ModelError } from '../errors.ts';
import type { ValueInfo } from '../onnx/model.ts';
import { dtypeOf, type Tensor } from '../tensor.ts';
import type { Runtime } from './op.ts';
import { axisOf, copyRun, elements, product } from './shape.ts';

/** Bound on the slices that one output gathers, in bytes. */
const MOST_BYTES = 2 ** 30;

/** Element `i` along an axis, without that axis. */
export function take(t: Tensor, axis: number, i: number, rt: Runtime): Tensor {
  const { dims } = t;
  const y = rt.empty(t.dtype, [...dims.slice(0, axis), ...dims.slice(axis + 1)]);
  const before = product(dims, 0, axis);
  const after = product(dims, axis + 1);
  const [from, to] = [elements(t), elements(y)];
  for (let b = 0; b < before; b++) copyRun(from, (b * dims[axis]! + i) * after, to, b * after, after);
  return y;
}

/** Slices of one type and shape that become one tensor. They are freed with the node that makes them. */
export class Stack {
  readonly #slices: Tensor[] = [];
  #bytes = 0;

  /** @param type what is known of one slice */
  constructor(
    readonly rt: Runtime,
    readonly type: ValueInfo,
  ) {}

  /** @throws ModelError for a slice unlike the first, or more than can be kept */
  push(t: Tensor): void {
    const first = this.#slices[0] ?? t;
    if (t.dtype !== first.dtype || String(t.dims) !== String(first.dims))
      throw new ModelError(
        `scan output "${this.type.name}": expected ${first.dtype} [${first.dims}] in every iteration, found ${t.dtype} [${t.dims}]`,
      );
    this.#bytes += t.data.byteLength;
    if (this.#bytes > MOST_BYTES)
      throw new ModelError(
        `scan output "${this.type.name}": more than ${MOST_BYTES} bytes in ${this.#slices.length} iterations`,
      );
    this.#slices.push(t);
  }

  /** All slices along a new axis; of none, a tensor of the declared type that is empty along it. */
  join(axis: number, reversed: boolean): Tensor {
    const { rt, type } = this;
    const slices = reversed ? [...this.#slices].reverse() : this.#slices;
    const first = slices[0];
    const dims = first?.dims ?? (type.dims ?? []).map((d) => (typeof d === 'number' ? d : 0));
    const dtype = first?.dtype ?? (type.elemType ? dtypeOf(type.elemType) : 'float');
    if (dtype === undefined) throw new ModelError(`scan output "${type.name}": type ${type.elemType} is not known`);
    const at = axisOf(axis, dims.length + 1, 'scan_output_axes');
    const n = slices.length;
    const y = rt.empty(dtype, [...dims.slice(0, at), n, ...dims.slice(at)]);
    const before = product(dims, 0, at);
    const after = product(dims, at);
    const to = elements(y);
    slices.forEach((t, i) => {
      const from = elements(t);
      for (let b = 0; b < before; b++) copyRun(from, b * after, to, (b * n + i) * after, after);
    });
    return y;
  }
}
