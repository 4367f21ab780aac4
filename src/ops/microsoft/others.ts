import { ModelError } from '../../errors.ts';
import type { Tensor } from '../../tensor.ts';
import { Add } from '../arithmetic.ts';
import { choice, since } from '../attributes.ts';
import { Conv } from '../conv.ts';
import { GatherND as GatherND12 } from '../gather.ts';
import { Range as Range11 } from '../generate.ts';
import { GridSample as GridSample20 } from '../grid-sample.ts';
import { withHalf } from '../half.ts';
import { Pad as Pad13, Trilu as Trilu14 } from '../pad.ts';
import { needRank } from '../attention-inputs.ts';
import type { Op } from '../op.ts';
import { realOf } from '../precision.ts';
import { axisOf, need, product, sameType, scalar } from '../shape.ts';
import { Unique as Unique11 } from '../unique.ts';
import { built, first, intAttribute, picked, stringAttribute } from './built.ts';
import { channelsLast } from './quantized.ts';

/** What ai.onnx took over later, and small operators of their own. */

export const GatherND: Op = since(1, (node) => built(GatherND12, node));
export const Pad: Op = since(1, (node) => built(Pad13, node, picked(node, 'mode')));
export const Trilu: Op = since(1, (node) => built(Trilu14, node, picked(node, 'upper')));

/** start, limit and, 1 where absent, delta. */
export const Range: Op = since(1, (node) => {
  const range = built(Range11, node);
  return (inputs, rt) => {
    const start = need(inputs, 0, 'start');
    let delta = inputs[2];
    if (delta === undefined) {
      delta = rt.empty(start.dtype, []);
      delta.data[0] = start.dtype === 'int64' ? 1n : 1;
    }
    return range(
      [start, need(inputs, 1, 'limit'), delta].map((t) => (t.data.length === 1 ? rt.view(t, []) : t)),
      rt,
    );
  };
});

const GRID_MODES = { bilinear: 'linear', nearest: 'nearest', bicubic: 'cubic' } as const;

export const GridSample: Op = since(1, (node) => {
  const mode = choice(node, 'mode', ['bilinear', 'nearest', 'bicubic'] as const, 'bilinear');
  const rest = picked(node, 'padding_mode', 'align_corners');
  return built(GridSample20, node, { ...rest, mode: stringAttribute(GRID_MODES[mode]) });
});

/** Distinct elements of a vector in the order of their first occurrence, for each element its place among them, and how often each occurs. */
export const Unique: Op = since(1, (node) => {
  const unique = built(Unique11, node, { sorted: intAttribute(0) }, 4);
  return (inputs, rt) => {
    const [y, , inverse, counts] = unique([needRank(need(inputs, 0, 'x'), 1, 'x')], rt) as [
      Tensor,
      Tensor,
      Tensor,
      Tensor,
    ];
    return [y, inverse, counts];
  };
});

/** An axis of size 1 put in before axis `axis`. */
export const ExpandDims: Op = since(1, () => (inputs, rt) => {
  const x = need(inputs, 0, 'X');
  const rank = x.dims.length;
  const at = axisOf(scalar(need(inputs, 1, 'axis'), 'axis'), rank + 1);
  return [rt.view(x, [...x.dims.slice(0, at), 1, ...x.dims.slice(at)])];
});

/** Convolution of [N, spatial..., C] with weights [M, C / group, kernel...]. */
export const NhwcConv: Op = since(1, (node) =>
  channelsLast(built(Conv, node, picked(node, 'auto_pad', 'dilations', 'group', 'kernel_shape', 'pads', 'strides'))),
);

/** X + bias + skip, the bias along the last axis. */
export const BiasAdd: Op = withHalf(
  since(1, (node) => {
    const add = built(Add, node);
    return (inputs, rt) => {
      const x = first(add, [need(inputs, 0, 'X'), need(inputs, 1, 'bias')], rt);
      return add([x, need(inputs, 2, 'skip')], rt);
    };
  }),
);

/** Inverse of every matrix [..., n, n], by elimination with partial pivoting, in doubles. @throws ModelError for a singular one */
export const Inverse: Op = withHalf(
  since(1, () => (inputs, rt) => {
    const x = need(inputs, 0, 'X');
    const rank = x.dims.length;
    const n = x.dims[rank - 1] ?? 0;
    if (rank < 2 || x.dims[rank - 2] !== n) throw new ModelError(`X: expected square matrices, found [${x.dims}]`);
    if (x.dtype !== 'float' && x.dtype !== 'double')
      throw new ModelError(`X: expected a floating type, found ${x.dtype}`);
    const y = rt.empty(x.dtype, x.dims);
    for (let i = 0; i < product(x.dims, 0, rank - 2); i++) {
      const a = Float64Array.from((x.data as Float64Array).subarray(i * n * n, (i + 1) * n * n));
      (y.data as Float64Array).set(inverse(a, n), i * n * n);
    }
    return [y];
  }),
);

/** Overwrites a. */
function inverse(a: Float64Array, n: number): Float64Array {
  const y = new Float64Array(n * n);
  for (let i = 0; i < n; i++) y[i * n + i] = 1;
  for (let c = 0; c < n; c++) {
    let pivot = c;
    for (let r = c + 1; r < n; r++) if (Math.abs(a[r * n + c]!) > Math.abs(a[pivot * n + c]!)) pivot = r;
    if (a[pivot * n + c] === 0) throw new ModelError('X: a matrix is singular');
    for (const m of [a, y])
      for (let j = 0; j < n; j++) {
        const held = m[c * n + j]!;
        m[c * n + j] = m[pivot * n + j]!;
        m[pivot * n + j] = held;
      }
    const scale = 1 / a[c * n + c]!;
    for (let j = 0; j < n; j++) {
      a[c * n + j]! *= scale;
      y[c * n + j]! *= scale;
    }
    for (let r = 0; r < n; r++) {
      const f = a[r * n + c]!;
      if (r === c || f === 0) continue;
      for (let j = 0; j < n; j++) {
        a[r * n + j]! -= f * a[c * n + j]!;
        y[r * n + j]! -= f * y[c * n + j]!;
      }
    }
  }
  return y;
}

/** Distances between the rows of A [m, d] and of B [n, d]: [m, n]; squared for metric "sqeuclidean". */
export const CDist: Op = since(1, (node) => {
  const squared = choice(node, 'metric', ['sqeuclidean', 'euclidean'] as const, 'sqeuclidean') === 'sqeuclidean';
  return (inputs, rt) => {
    const [a, b] = [needRank(need(inputs, 0, 'A'), 2, 'A'), needRank(need(inputs, 1, 'B'), 2, 'B')];
    sameType(a, b);
    realOf(a, 'A', rt);
    const [m, d] = a.dims as [number, number];
    const n = b.dims[0]!;
    if (b.dims[1] !== d) throw new ModelError(`A [${a.dims}] and B [${b.dims}]: expected rows of one length`);
    const y = rt.empty(a.dtype, [m, n]);
    const [xs, zs, out] = [a.data as Float64Array, b.data as Float64Array, y.data as Float64Array];
    for (let i = 0; i < m; i++)
      for (let j = 0; j < n; j++) {
        let sum = 0;
        for (let k = 0; k < d; k++) sum += (xs[i * d + k]! - zs[j * d + k]!) ** 2;
        out[i * n + j] = squared ? sum : Math.sqrt(sum);
      }
    return [y];
  };
});
