import { ModelError } from '../errors.ts';
import type { Tensor } from '../tensor.ts';
import { float, has } from './attributes.ts';
import { halves } from './half.ts';
import { mapElements, numeric } from './map.ts';
import type { NodeSpec, Op, Run, Runtime } from './op.ts';
import { isFloating, need, product, scalar } from './shape.ts';

type Bound = number | bigint | undefined;

function clip(x: Tensor, lo: Bound, hi: Bound, rt: Runtime): Tensor {
  if (lo === undefined && hi === undefined) return rt.view(x, x.dims);
  if (x.dtype === 'float') {
    const y = rt.over(x);
    const n = product(x.dims);
    const { k } = rt.wasm;
    if (lo === undefined) k.min_scalar(rt.ptr(x), Number(hi), rt.ptr(y), n);
    else if (hi === undefined) k.max_scalar(rt.ptr(x), Number(lo), rt.ptr(y), n);
    else k.clip(rt.ptr(x), rt.ptr(y), n, Number(lo), Number(hi));
    return y;
  }
  const bound = <T extends number | bigint>(v: T): T => {
    const w = lo !== undefined && v < lo ? (lo as T) : v;
    return hi !== undefined && w > hi ? (hi as T) : w;
  };
  return mapElements(x, bound as (v: number) => number, rt);
}

/** Where a bound is absent there is none; where they cross, the upper one wins. */
export const Clip: Op = [
  {
    since: 6,
    build: (node: NodeSpec): Run => {
      const lo = has(node, 'min') ? float(node, 'min') : undefined;
      const hi = has(node, 'max') ? float(node, 'max') : undefined;
      return halves((inputs, rt) => {
        const x = need(inputs, 0, 'input');
        if (!isFloating(x.dtype)) throw new ModelError(`input: expected a floating type, found ${x.dtype}`);
        return [clip(x, lo, hi, rt)];
      });
    },
  },
  {
    since: 11,
    build: (): Run =>
      halves((inputs, rt) => {
        const x = numeric(need(inputs, 0, 'input'), 'input');
        const bound = (i: number, what: string) => {
          const t = inputs[i];
          if (t === undefined) return undefined;
          if (t.dtype !== x.dtype) throw new ModelError(`${what}: expected type ${x.dtype}, found ${t.dtype}`);
          scalar(t, what);
          return t.data[0];
        };
        return [clip(x, bound(1, 'min'), bound(2, 'max'), rt)];
      }),
  },
];
