import { ModelError, UnsupportedError } from '../errors.ts';
import type { Tensor } from '../tensor.ts';
import { flag, float, int, since } from './attributes.ts';
import { halves, withHalf } from './half.ts';
import type { NodeSpec, Op, Run, Runtime } from './op.ts';
import { axisOf, needFloat, product } from './shape.ts';
import { transpose } from './transpose.ts';

/** BatchNormalization as inference runs it: per channel x * scale / sqrt(var + eps) + shift. */
export const BatchNormalization: Op = withHalf(
  since(7, (node) => {
    const epsilon = float(node, 'epsilon', 1e-5);
    if (flag(node, 'training_mode')) throw new UnsupportedError('attribute "training_mode": 1 is not supported');
    if (node.opset < 14 && node.outputs > 1)
      throw new UnsupportedError(`${node.outputs} outputs: the training form is not supported`);
    if (node.opset < 9 && !flag(node, 'spatial', true))
      throw new UnsupportedError('attribute "spatial": 0 is not supported');
    return (inputs, rt) => {
      const x = needFloat(inputs, 0, 'X');
      if (x.dims.length < 1) throw new ModelError('X: expected rank >= 1, found a scalar');
      const c = x.dims[1] ?? 1;
      const [scale, bias, mean, variance] = ['scale', 'B', 'mean', 'var'].map((what, i) => {
        const t = needFloat(inputs, i + 1, what);
        if (t.data.length !== c) throw new ModelError(`${what}: expected shape [${c}], found [${t.dims}]`);
        return t;
      }) as [Tensor, Tensor, Tensor, Tensor];
      const y = rt.empty('float', x.dims);
      const s = rt.empty('float', [c]);
      const b = rt.empty('float', [c]);
      for (let i = 0; i < c; i++) {
        const factor = Number(scale.data[i]) / Math.sqrt(Number(variance.data[i]) + epsilon);
        s.data[i] = factor;
        b.data[i] = Number(bias.data[i]) - Number(mean.data[i]) * factor;
      }
      const spatial = product(x.dims, 2);
      if (y.data.length > 0)
        rt.wasm.k.channel_affine(rt.ptr(x), rt.ptr(s), rt.ptr(b), rt.ptr(y), x.dims[0]!, c, spatial);
      return [y];
    };
  }),
);

/** Normalization over the axes from `axis` on; the mean and 1/deviation on request. */
export const LayerNormalization: Op = withHalf(
  since(17, (node) => {
    const axis = int(node, 'axis', -1);
    const epsilon = float(node, 'epsilon', 1e-5);
    return (inputs, rt) => {
      const x = needFloat(inputs, 0, 'X');
      const at = axisOf(axis, x.dims.length);
      const rows = product(x.dims, 0, at);
      const cols = product(x.dims, at);
      const parameter = (i: number, what: string) => {
        const t = inputs[i];
        if (t === undefined) return 0;
        needFloat(inputs, i, what);
        if (t.data.length !== cols)
          throw new UnsupportedError(`${what}: expected shape [${x.dims.slice(at)}], found [${t.dims}]`);
        return rt.ptr(t);
      };
      const y = rt.empty('float', x.dims);
      const gamma = parameter(1, 'Scale');
      const beta = parameter(2, 'B');
      if (y.data.length > 0) rt.wasm.k.layer_norm(rt.ptr(x), gamma, beta, rt.ptr(y), rows, cols, epsilon);
      if (node.outputs < 2) return [y];
      return [
        y,
        ...moments(
          x,
          rows,
          cols,
          epsilon,
          x.dims.map((d, i) => (i < at ? d : 1)),
          rt,
        ),
      ];
    };
  }),
);

function moments(x: Tensor, rows: number, cols: number, epsilon: number, dims: number[], rt: Runtime): Tensor[] {
  const mean = rt.empty('float', dims);
  const inverse = rt.empty('float', dims);
  const a = x.data as Float32Array;
  for (let r = 0; r < rows; r++) {
    const row = a.subarray(r * cols, (r + 1) * cols);
    let sum = 0;
    for (const v of row) sum += v;
    const m = sum / cols;
    let squares = 0;
    for (const v of row) squares += (v - m) * (v - m);
    mean.data[r] = m;
    inverse.data[r] = 1 / Math.sqrt(squares / cols + epsilon);
  }
  return [mean, inverse];
}

/** Root mean square normalization over the axes from `axis` on. */
export const RMSNormalization: Op = withHalf(
  since(23, (node) => {
    const axis = int(node, 'axis', -1);
    const epsilon = float(node, 'epsilon', 1e-5);
    return (inputs, rt) => {
      const x = needFloat(inputs, 0, 'X');
      const scale = needFloat(inputs, 1, 'scale');
      const at = axisOf(axis, x.dims.length);
      const cols = product(x.dims, at);
      if (scale.data.length !== cols)
        throw new UnsupportedError(`scale: expected shape [${x.dims.slice(at)}], found [${scale.dims}]`);
      const y = rt.empty('float', x.dims);
      if (y.data.length > 0)
        rt.wasm.k.rms_norm(rt.ptr(x), rt.ptr(scale), rt.ptr(y), product(x.dims, 0, at), cols, epsilon);
      return [y];
    };
  }),
);

/** Along one axis; before opset 13 over everything from `axis` on, taken as one. */
function soft(kernel: 'softmax' | 'log_softmax'): Op {
  const over = (x: Tensor, rows: number, cols: number, rt: Runtime) => {
    const y = rt.empty('float', x.dims);
    if (y.data.length > 0) rt.wasm.k[kernel](rt.ptr(x), rt.ptr(y), rows, cols);
    return y;
  };
  return [
    {
      since: 1,
      build: (node: NodeSpec): Run => {
        const axis = int(node, 'axis', 1);
        return halves((inputs, rt) => {
          const x = needFloat(inputs, 0, 'input');
          const at = axisOf(axis, x.dims.length, 'axis', x.dims.length);
          return [over(x, product(x.dims, 0, at), product(x.dims, at), rt)];
        });
      },
    },
    {
      since: 13,
      build: (node: NodeSpec): Run => {
        const axis = int(node, 'axis', -1);
        return halves((inputs, rt) => {
          const x = needFloat(inputs, 0, 'input');
          const rank = x.dims.length;
          if (rank === 0) return [over(x, 1, 1, rt)];
          const at = axisOf(axis, rank);
          const cols = x.dims[at]!;
          const rows = product(x.dims, 0, at) * product(x.dims, at + 1);
          if (product(x.dims, at + 1) === 1) return [over(x, rows, cols, rt)];
          const perm = x.dims.map((_, i) => (i === rank - 1 ? at : i < at ? i : i + 1));
          const back = x.dims.map((_, i) => (i === at ? rank - 1 : i < at ? i : i - 1));
          return [transpose(over(transpose(x, perm, rt), rows, cols, rt), back, rt)];
        });
      },
    },
  ];
}

export const Softmax = soft('softmax');
export const LogSoftmax = soft('log_softmax');

/** Inference: the input itself, and a mask of ones on request. */
export const Dropout: Op = since(7, (node) => {
  return (inputs, rt) => {
    const x = inputs[0];
    if (x === undefined) throw new ModelError('input 0 (data) is missing');
    const training = inputs[2];
    if (training?.data[0]) throw new UnsupportedError('training_mode: the training form is not supported');
    const out = [rt.view(x, x.dims)];
    if (node.outputs > 1) {
      const mask = rt.empty(node.opset < 10 ? x.dtype : 'bool', x.dims);
      (mask.data as Uint8Array).fill(1);
      out.push(mask);
    }
    return out;
  };
});
