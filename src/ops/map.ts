import { ModelError } from '../errors.ts';
import type { DType, Tensor } from '../tensor.ts';
import { withHalf } from './half.ts';
import type { NodeSpec, Op, Runtime } from './op.ts';
import { anyElements, elements, isBig, need } from './shape.ts';

/** Operators whose every output element is a function of the input element in its place. */

export interface ElementFunction {
  /** float tensors, where there is a kernel; without one `real` runs and is rounded. */
  readonly float?: (x: Tensor, rt: Runtime) => Tensor;
  /** double. */
  readonly real: (v: number) => number;
  /** Integers of up to 32 bits, for operators that take integers; the result wraps into the type. */
  readonly int?: (v: number) => number;
  /** 64-bit integers likewise. */
  readonly big?: (v: bigint) => bigint;
}

/** f over the elements as they are stored; `dtype` out, the input's unless told. */
export function mapElements(
  x: Tensor,
  f: ((v: number) => unknown) | ((v: bigint) => unknown),
  rt: Runtime,
  dtype: DType = x.dtype,
): Tensor {
  const y = rt.empty(dtype, x.dims);
  const a = elements(x);
  const out = anyElements(y);
  const g = f as (v: number) => unknown;
  for (let i = 0; i < a.length; i++) out[i] = g(a[i]!);
  return y;
}

/** @throws ModelError for bool */
export function numeric(t: Tensor, what = 'X'): Tensor {
  if (t.dtype === 'bool') throw new ModelError(`${what}: expected a numeric type, found bool`);
  return t;
}

/** The function over one tensor. @throws ModelError for a type it does not come in */
export function applyElementwise(f: ElementFunction, x: Tensor, rt: Runtime): Tensor {
  numeric(x);
  if (x.dtype === 'float') return f.float?.(x, rt) ?? mapElements(x, f.real, rt);
  if (x.dtype === 'double') return mapElements(x, f.real, rt);
  const g = isBig(x.dtype) ? f.big : f.int;
  if (g === undefined) throw new ModelError(`X: expected a floating type, found ${x.dtype}`);
  return mapElements(x, g as (v: number) => number, rt);
}

/** An operator that is such a function; `build` reads the attributes. */
export function elementwise(version: number, build: (node: NodeSpec) => ElementFunction): Op {
  return withHalf([
    {
      since: version,
      build: (node) => {
        const f = build(node);
        return (inputs, rt) => [applyElementwise(f, need(inputs, 0, 'X'), rt)];
      },
    },
  ]);
}
