import type { Tensor } from '../../../src/tensor.ts';
import { int, ints, list, string } from '../compare.ts';
import { ALL, type Draw, type Family, type Sample } from './draw.ts';

/** Operators that move, repeat, drop and pick elements. */

function slice(d: Draw): Sample {
  const opset = d.int(7, 25);
  const dims = d.dims(1, 4, 7, true);
  const axes = d.axes(dims.length).map((a) => (opset < 10 && a < 0 ? a + dims.length : a));
  const starts = axes.map(() => d.int(-8, 8));
  const strides = axes.map(() => (opset < 10 ? 1 : d.pick([1, 1, 2, 3, -1, -2, -5])));
  // Backward, the end of everything is the least integer; onnxruntime 1.30 takes the greatest for it as well.
  const far = (step: number) =>
    step > 0 ? [2147483647, Number.MAX_SAFE_INTEGER] : [-2147483648, -Number.MAX_SAFE_INTEGER];
  const ends = strides.map((step) => d.pick([d.int(-9, 9), d.int(-9, 9), d.int(0, 7), ...far(step)]));
  const x = d.tensor(d.pick(ALL), dims);
  const all = d.chance(0.3) ? undefined : axes;
  if (opset < 10)
    return {
      inputs: [x],
      attributes: { starts: ints(...starts), ends: ints(...ends), ...(all ? { axes: ints(...all) } : {}) },
      c: { opset },
    };
  const wide = d.chance(0.7) || ends.some((e) => Math.abs(e) > 2147483648);
  const t = (v: readonly number[]) => d.values(wide ? 'int64' : 'int32', [v.length], v);
  const steps = strides.some((v) => v !== 1) || d.chance() ? t(strides) : undefined;
  const inputs: (Tensor | undefined)[] = [x, t(starts), t(ends), all && t(all), steps];
  while (inputs[inputs.length - 1] === undefined) inputs.pop();
  return { inputs, c: { opset, ...(d.chance() ? { constants: [1, 2] } : {}) } };
}

function reshape(d: Draw): Sample {
  const opset = d.int(7, 25);
  const dims = d.dims(0, 4, 6, true);
  let to = d.shuffle(dims);
  if (d.chance() && to.length > 1) to.splice(0, 2, to[0]! * to[1]!);
  if (d.chance(0.3)) to.splice(d.int(0, to.length), 0, 1);
  const zero = opset >= 14 && d.chance(0.3);
  if (!zero) to = to.map((n, i) => (n === dims[i] && d.chance(0.4) ? 0 : n));
  const others = to.map((n, i) => (n === 0 && !zero ? dims[i] : n)).filter((_, i) => i !== 0);
  if (to.length > 0 && d.chance() && !others.includes(0)) to[0] = -1;
  return {
    inputs: [d.tensor(d.pick(ALL), dims), list(...to)],
    attributes: zero ? { allowzero: int(1) } : {},
    c: { opset },
  };
}

function withAxes(d: Draw, drop: boolean): Sample {
  const opset = d.int(7, 25);
  const out = d.dims(0, 4, 5, true);
  const axes = out.length > 0 ? d.axes(out.length).map((a) => (opset < 11 && a < 0 ? a + out.length : a)) : [];
  const at = axes.map((a) => (a < 0 ? a + out.length : a));
  const dims = drop ? out.map((n, i) => (at.includes(i) ? 1 : n)) : out.filter((_, i) => !at.includes(i));
  const x = d.tensor(d.pick(ALL), dims);
  const given = drop && d.chance(0.2) ? undefined : axes;
  if (opset < 13) return { inputs: [x], attributes: given ? { axes: ints(...given) } : {}, c: { opset } };
  return { inputs: given ? [x, list(...given)] : [x], c: { opset } };
}

function split(d: Draw): Sample {
  const opset = d.int(7, 25);
  const dims = d.dims(1, 4, 9);
  const axis = opset < 11 ? d.int(0, dims.length - 1) : d.axis(dims.length);
  const at = (axis + dims.length) % dims.length;
  const n = d.int(1, 4);
  const attributes = { axis: int(axis) };
  const dtype = d.pick(ALL);
  if (d.chance()) {
    const parts = Array.from({ length: n }, () => d.int(0, 4));
    dims[at] = parts.reduce((a, b) => a + b, 0);
    const x = d.tensor(dtype, dims);
    if (opset < 13)
      return { inputs: [x], attributes: { ...attributes, split: ints(...parts) }, c: { opset, outputs: n } };
    return { inputs: [x, list(...parts)], attributes, c: { opset, outputs: n } };
  }
  if (opset >= 18) {
    const x = d.tensor(dtype, dims);
    return { inputs: [x], attributes: { ...attributes, num_outputs: int(n) }, c: { opset, outputs: n } };
  }
  dims[at] = n * d.int(1, 3);
  return { inputs: [d.tensor(dtype, dims)], attributes, c: { opset, outputs: n } };
}

function pad(d: Draw): Sample {
  const opset = d.int(7, 25);
  const dims = d.dims(1, 4, 6).map((n) => n + 1);
  const rank = dims.length;
  const mode = d.pick(opset >= 19 ? ['constant', 'reflect', 'edge', 'wrap'] : ['constant', 'reflect', 'edge']);
  const named = opset >= 18 && d.chance(0.4) ? d.axes(rank) : undefined;
  const at = (named ?? dims.map((_, i) => i)).map((a) => (a < 0 ? a + rank : a));
  const room = (n: number) => (mode === 'reflect' ? n - 1 : mode === 'wrap' ? n : 4);
  const draw = (a: number) => (d.chance(0.15) ? -d.int(0, 1) : d.int(0, Math.min(room(dims[a]!), 4)));
  const pads = [...at.map(draw), ...at.map(draw)];
  const attributes = d.chance(0.8) || mode !== 'constant' ? { mode: string(mode) } : {};
  if (opset < 11) {
    const x = d.tensor('float', dims);
    const value = d.chance() ? { value: { type: 'float', value: 1.5 } as const } : {};
    return { inputs: [x], attributes: { ...attributes, ...value, pads: ints(...pads) }, c: { opset } };
  }
  const x = d.tensor(d.pick(ALL), dims);
  const value = d.maybe(() => d.tensor(x.dtype, []));
  const inputs: (Tensor | undefined)[] = [x, list(...pads), value, named && list(...named)];
  while (inputs[inputs.length - 1] === undefined) inputs.pop();
  return { inputs, attributes, c: { opset } };
}

const blocks = (d: Draw, deep: boolean): Sample => {
  const b = d.int(1, 3);
  const [n, c, h, w] = [d.dim(2), d.dim(3), d.dim(3), d.dim(3)];
  const opset = d.int(7, 25);
  const x = d.tensor(
    d.pick(['float', 'double', 'float16', 'uint8']),
    deep ? [n, c * b * b, h, w] : [n, c, h * b, w * b],
  );
  const mode = deep && opset >= 11 && d.chance() ? { mode: string(d.pick(['DCR', 'CRD'])) } : {};
  return { inputs: [x], attributes: { blocksize: int(b), ...mode }, c: { opset } };
};

export const shapes: Family = {
  Slice: slice,
  Reshape: reshape,
  Squeeze: (d) => withAxes(d, true),
  Unsqueeze: (d) => withAxes(d, false),
  Split: split,
  Pad: pad,
  SpaceToDepth: (d) => blocks(d, false),
  DepthToSpace: (d) => blocks(d, true),
  Flatten: (d) => {
    const opset = d.int(7, 25);
    const dims = d.dims(0, 4, 5, true);
    const axis = d.int(opset < 11 ? 0 : -dims.length, dims.length);
    const attributes = dims.length === 0 ? { axis: int(0) } : d.chance(0.8) ? { axis: int(axis) } : {};
    return { inputs: [d.tensor(d.pick(ALL), dims)], attributes, c: { opset } };
  },
  Transpose: (d) => {
    const dims = d.dims(0, 6, 4, true);
    const perm = d.shuffle(dims.map((_, i) => i));
    return {
      inputs: [d.tensor(d.pick(ALL), dims)],
      attributes: d.chance(0.8) ? { perm: ints(...perm) } : {},
      c: { opset: d.int(7, 25) },
    };
  },
  Concat: (d) => {
    const opset = d.int(7, 25);
    const dims = d.dims(1, 4, 5, true);
    const axis = opset < 11 ? d.int(0, dims.length - 1) : d.axis(dims.length);
    const dtype = d.pick(ALL);
    const inputs = Array.from({ length: d.int(1, 4) }, () => {
      const own = [...dims];
      own[(axis + dims.length) % dims.length] = d.dim(5, true);
      return d.tensor(dtype, own);
    });
    return { inputs, attributes: { axis: int(axis) }, c: { opset } };
  },
  Expand: (d) => {
    const [a, b] = d.pair(4, true);
    return { inputs: [d.tensor(d.pick(ALL), a), list(...b)], c: { opset: d.int(8, 25) } };
  },
  Tile: (d) => {
    const dims = d.dims(1, 4, 4, true);
    return { inputs: [d.tensor(d.pick(ALL), dims), list(...dims.map(() => d.int(0, 3)))], c: { opset: d.int(7, 25) } };
  },
  Shape: (d) => {
    const opset = d.int(7, 25);
    const attributes =
      opset < 15
        ? {}
        : { ...(d.chance() ? { start: int(d.int(-5, 5)) } : {}), ...(d.chance() ? { end: int(d.int(-5, 5)) } : {}) };
    return { inputs: [d.tensor(d.pick(ALL), d.dims(0, 4, 5, true))], attributes, c: { opset } };
  },
  Size: (d) => ({ inputs: [d.tensor(d.pick(ALL), d.dims(0, 4, 5, true))], c: { opset: d.int(7, 25) } }),
  ReverseSequence: (d) => {
    const dims = d.dims(2, 4, 5);
    const time = d.int(0, 1);
    const lengths = Array.from({ length: dims[1 - time]! }, () => d.int(1, dims[time]!));
    return {
      inputs: [d.tensor(d.pick(ALL), dims), list(...lengths)],
      attributes: { time_axis: int(time), batch_axis: int(1 - time) },
      c: { opset: d.int(10, 25) },
    };
  },
  CenterCropPad: (d) => {
    const dims = d.dims(1, 4, 6);
    const axes = d.maybe(() => d.axes(dims.length));
    return {
      inputs: [
        d.tensor(d.pick(['float', 'int64', 'float16', 'uint8']), dims),
        list(...(axes ?? dims).map(() => d.int(1, 8))),
      ],
      attributes: axes ? { axes: ints(...axes) } : {},
      c: { opset: d.int(18, 25) },
    };
  },
  EyeLike: (d) => ({
    inputs: [d.tensor(d.pick(['float', 'double', 'int32', 'int64', 'uint64']), [d.dim(6), d.dim(6)])],
    attributes: {
      ...(d.chance() ? { k: int(d.int(-7, 7)) } : {}),
      ...(d.chance() ? { dtype: int(d.pick([1, 6, 7, 11, 13])) } : {}),
    },
    c: { opset: d.int(9, 25) },
  }),
  ConstantOfShape: (d) => {
    const dims = d.dims(0, 3, 5, true);
    const dtype = d.pick(ALL);
    return {
      inputs: [list(...dims)],
      attributes: d.chance(0.8) ? { value: { type: 'tensor', value: d.tensor(dtype, [1]) } } : {},
      c: { opset: d.int(9, 25) },
    };
  },
  Range: (d) => {
    const dtype = d.pick(['float', 'double', 'int16', 'int32', 'int64'] as const);
    const step = dtype.startsWith('int') ? d.pick([-3, -1, 1, 2]) : d.pick([-1.5, -0.3, 0.1, 0.7, 2]);
    const start = d.int(-5, 5);
    const end = start + Math.sign(step) * d.int(-2, 12);
    return {
      inputs: [start, end, step].map((v) => d.values(dtype, [], [v])),
      c: { opset: d.int(11, 25), atol: 1e-5 },
    };
  },
  AffineGrid: (d) => {
    const n = d.dim(3);
    const flat = d.chance();
    const align = d.chance();
    // Where corners are aligned a size of 1 has no step: left open.
    const side = () => (align ? d.int(2, 5) : d.dim(5));
    const size = flat ? [n, d.dim(3), side(), side()] : [n, d.dim(3), side(), side(), side()];
    return {
      inputs: [d.tensor(d.pick(['float', 'double']), flat ? [n, 2, 3] : [n, 3, 4]), list(...size)],
      attributes: align || d.chance() ? { align_corners: int(align ? 1 : 0) } : {},
      c: { opset: d.int(20, 25) },
    };
  },
};
