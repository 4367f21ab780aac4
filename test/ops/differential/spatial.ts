import type { Tensor } from '../../../src/tensor.ts';
import { type Attributes, int, ints, string } from '../compare.ts';
import { type Draw, type Family, FLOATS, type Generator, type Sample } from './draw.ts';

/** Convolutions and pooling: windows over 1 to 3 axes. */

interface Window {
  readonly kernel: readonly number[];
  readonly attributes: Attributes;
  /** What a kernel covers with its dilations. */
  readonly extent: readonly number[];
  readonly padded: boolean;
}

/**
 * Strides, dilations and one way of padding; pads stay below the kernel. SAME_* and dilations never come together: for pooling
 * onnxruntime 1.30 leaves the dilations out of the pads then, for convolutions it refuses.
 */
function window(d: Draw, rank: number, dilated = true): Window {
  const kernel = Array.from({ length: rank }, () => d.int(1, 3));
  const padding = d.pick(['none', 'pads', 'pads', 'SAME_UPPER', 'SAME_LOWER', 'VALID']);
  const same = padding.startsWith('SAME');
  const dilations = kernel.map(() => (dilated && !same && d.chance(0.4) ? d.int(1, 3) : 1));
  const attributes: Record<string, Attributes[string]> = {};
  // Strides above the kernel would make the pads of SAME_* negative: 0 here, for some pools of onnxruntime 1.30 a crop.
  if (d.chance(0.6)) attributes.strides = ints(...kernel.map((k) => d.int(1, same ? k : 3)));
  if (dilations.some((v) => v > 1) || d.chance(0.3)) attributes.dilations = ints(...dilations);
  if (padding === 'pads') attributes.pads = ints(...[...kernel, ...kernel].map((k) => d.int(0, k - 1)));
  else if (padding !== 'none') attributes.auto_pad = string(padding);
  return {
    kernel,
    attributes,
    extent: kernel.map((k, i) => (k - 1) * dilations[i]! + 1),
    padded: same || padding === 'pads',
  };
}

const image = (d: Draw, extent: readonly number[]) => extent.map((e) => e + d.int(0, 5));

const conv: Generator = (d) => {
  const w = window(d, d.int(1, 3));
  const group = d.int(1, 3);
  const depthwise = d.chance(0.3);
  const c = depthwise ? 1 : d.int(1, 3);
  const m = d.int(1, 3) * group;
  const dtype = d.pick(['float', 'float', 'double', 'float16'] as const);
  const x = d.tensor(dtype, [d.dim(3), c * group, ...image(d, w.extent)], -1, 1);
  const b = d.maybe(() => d.tensor(dtype, [m], -1, 1));
  const attributes = {
    ...w.attributes,
    ...(group > 1 || d.chance(0.3) ? { group: int(group) } : {}),
    ...(d.chance() ? { kernel_shape: ints(...w.kernel) } : {}),
  };
  const f = d.tensor(dtype, [m, c, ...w.kernel], -1, 1);
  return {
    inputs: b ? [x, f, b] : [x, f],
    attributes,
    c: {
      opset: d.int(7, 25),
      ...(d.chance() ? { constants: b ? [1, 2] : [1] } : {}),
      atol: dtype === 'float16' ? 1e-2 : 1e-5,
    },
  };
};

const convTranspose: Generator = (d) => {
  const rank = d.int(1, 3);
  const kernel = Array.from({ length: rank }, () => d.int(1, 3));
  const dilations = kernel.map(() => (d.chance(0.3) ? 2 : 1));
  const padding = d.pick(['none', 'pads', 'pads', 'SAME_UPPER', 'SAME_LOWER', 'VALID', 'shape']);
  // SAME_* asks for input * stride; where the kernel is below the stride onnxruntime 1.30 gives less.
  const strides = kernel.map((k) => (padding.startsWith('SAME') ? d.int(1, k) : d.int(1, 3)));
  const extra = kernel.map((_, i) => d.int(0, Math.max(strides[i]!, dilations[i]!) - 1));
  const group = d.int(1, 2);
  const attributes: Record<string, Attributes[string]> = {};
  const sides = kernel.map(() => d.int(2, 5));
  if (d.chance(0.7)) attributes.strides = ints(...strides);
  else strides.fill(1);
  if (dilations.some((v) => v > 1)) attributes.dilations = ints(...dilations);
  if (padding === 'pads') attributes.pads = ints(...[...kernel, ...kernel].map((k) => d.int(0, k - 1)));
  else if (padding === 'shape')
    attributes.output_shape = ints(
      ...sides.map((n, i) => strides[i]! * (n - 1) + (kernel[i]! - 1) * dilations[i]! + 1 - d.int(0, 2)),
    );
  else if (padding !== 'none') attributes.auto_pad = string(padding);
  if (padding !== 'shape' && d.chance(0.4) && 'strides' in attributes) attributes.output_padding = ints(...extra);
  if (group > 1) attributes.group = int(group);
  if (d.chance()) attributes.kernel_shape = ints(...kernel);
  const c = d.int(1, 3) * group;
  const m = d.int(1, 3);
  const x = d.tensor('float', [d.dim(2), c, ...sides], -1, 1);
  const w = d.tensor('float', [c, m, ...kernel], -1, 1);
  const b = d.maybe(() => d.tensor('float', [m * group], -1, 1));
  return { inputs: b ? [x, w, b] : [x, w], attributes, c: { opset: d.int(7, 25), atol: 1e-5 } };
};

function pool(d: Draw, op: 'MaxPool' | 'AveragePool' | 'LpPool'): Sample {
  const opset = d.int(7, 25);
  const dilated = op === 'MaxPool' ? opset >= 10 : op === 'AveragePool' ? opset >= 19 : opset >= 18;
  const w = window(d, d.int(1, 3), dilated);
  const attributes: Record<string, Attributes[string]> = { ...w.attributes, kernel_shape: ints(...w.kernel) };
  if (!dilated) delete attributes.dilations;
  const ceiled = op === 'LpPool' ? opset >= 18 : opset >= 10;
  if (ceiled && d.chance(0.4)) attributes.ceil_mode = int(d.int(0, 1));
  if (op === 'AveragePool' && d.chance()) attributes.count_include_pad = int(d.int(0, 1));
  if (op === 'LpPool' && d.chance()) attributes.p = int(d.int(1, 3));
  const dtype =
    op === 'MaxPool' && opset >= 12
      ? d.pick(['float', 'double', 'float16', 'int8', 'uint8'] as const)
      : d.pick(['float', 'double', 'float16'] as const);
  const x = d.tensor(dtype, [d.dim(2), d.dim(3), ...image(d, w.extent)]);
  return {
    inputs: [op === 'MaxPool' ? d.distinct(dtype === 'int8' || dtype === 'uint8' ? 'float' : dtype, x.dims) : x],
    attributes,
    c: { opset, outputs: op === 'MaxPool' && opset >= 8 ? d.int(1, 2) : 1, atol: dtype === 'float16' ? 1e-2 : 1e-5 },
  };
}

const whole =
  (op: string): Generator =>
  (d) => ({
    op,
    inputs: [d.tensor(d.pick(FLOATS), [d.dim(3), d.dim(3), ...d.dims(1, 3, 5)])],
    attributes: op === 'GlobalLpPool' && d.chance() ? { p: int(d.int(1, 3)) } : {},
    c: { opset: d.int(7, 25) },
  });

function maxUnpool(d: Draw): Sample {
  const k = d.int(1, 2) + 1;
  const [n, c, h, w] = [d.dim(2), d.dim(2), d.int(1, 3), d.int(1, 3)];
  const [oh, ow] = [h * k, w * k];
  const at: number[] = [];
  for (let i = 0; i < n * c; i++)
    for (let y = 0; y < h; y++)
      for (let x = 0; x < w; x++) at.push((i * oh + y * k + d.int(0, k - 1)) * ow + x * k + d.int(0, k - 1));
  return {
    inputs: [d.tensor('float', [n, c, h, w]), d.values('int64', [n, c, h, w], at)],
    attributes: { kernel_shape: ints(k, k), strides: ints(k, k) },
    c: { opset: d.int(11, 25) },
  };
}

function quantizedWindow(d: Draw, rank: number) {
  const w = window(d, rank);
  const group = d.int(1, 2);
  const c = d.int(1, 3);
  return { w, group, c, m: d.int(1, 3) * group, dims: [d.dim(2), c * group, ...image(d, w.extent)] };
}

export const spatial: Family = {
  Conv: conv,
  ConvTranspose: convTranspose,
  MaxPool: (d) => pool(d, 'MaxPool'),
  AveragePool: (d) => pool(d, 'AveragePool'),
  LpPool: (d) => pool(d, 'LpPool'),
  GlobalAveragePool: whole('GlobalAveragePool'),
  GlobalMaxPool: whole('GlobalMaxPool'),
  GlobalLpPool: whole('GlobalLpPool'),
  MaxUnpool: maxUnpool,
  ConvInteger: (d) => {
    const { w, group, c, m, dims } = quantizedWindow(d, 2);
    const x = d.tensor('uint8', dims, 0, 255);
    const f = d.tensor(d.pick(['uint8', 'int8']), [m, c, ...w.kernel], -128, 127);
    const zx = d.maybe(() => d.tensor('uint8', [], 0, 255));
    const zw = zx && d.maybe(() => d.tensor(f.dtype, [], -9, 9));
    const inputs = [x, f, zx, zw];
    while (inputs[inputs.length - 1] === undefined) inputs.pop();
    return {
      inputs,
      attributes: { ...w.attributes, ...(group > 1 ? { group: int(group) } : {}) },
      c: { opset: d.int(10, 25) },
    };
  },
  QLinearConv: (d) => {
    const { w, group, c, m, dims } = quantizedWindow(d, 2);
    const kind = d.pick(['uint8', 'int8'] as const);
    const weights = kind === 'int8' ? 'int8' : d.pick(['uint8', 'int8'] as const);
    const per = d.chance();
    const scale = (n: number[], lo = 0.01, hi = 0.05) => d.tensor('float', n, lo, hi);
    const x = d.tensor(kind, dims, -128, 255 - (kind === 'int8' ? 128 : 0));
    const zero = (dtype: typeof kind, n: number[]) =>
      dtype === 'int8' ? d.tensor(dtype, n, -5, 5) : d.tensor(dtype, n, 100, 140);
    const n = per ? [m] : [];
    const inputs: Tensor[] = [
      x,
      scale([]),
      zero(kind, []),
      d.tensor(weights, [m, c, ...w.kernel], -128, 127),
      scale(n),
      per
        ? d.values(
            weights,
            n,
            Array.from({ length: m }, () => (weights === 'int8' ? 0 : 128)),
          )
        : zero(weights, n),
      scale([], 0.1, 0.5),
      zero(kind, []),
    ];
    if (d.chance()) inputs.push(d.tensor('int32', [m], -500, 500));
    return {
      inputs,
      attributes: { ...w.attributes, ...(group > 1 ? { group: int(group) } : {}) },
      c: { opset: d.int(10, 25), constants: d.chance() ? [3, 4, 5] : [] },
    };
  },
  Col2Im: (d) => {
    const rank = d.int(1, 3);
    // onnxruntime 1.30 is wrong for dilations unless there are two axes.
    const w = window(d, rank, rank === 2);
    const size = image(d, w.extent).map((n) => n + 1);
    const value = (name: string, n: number) =>
      (w.attributes[name]?.value as number[] | undefined) ?? new Array<number>(n).fill(name === 'pads' ? 0 : 1);
    const [strides, pads] = [value('strides', rank), value('pads', 2 * rank)];
    const count = size.map((n, i) => Math.floor((n + pads[i]! + pads[i + rank]! - w.extent[i]!) / strides[i]!) + 1);
    const { auto_pad: _, ...attributes } = w.attributes;
    const k = w.kernel.reduce((a, b) => a * b, 1);
    const list = (v: readonly number[]) => d.values('int64', [v.length], v);
    return {
      inputs: [
        d.tensor('float', [d.dim(2), d.dim(2) * k, count.reduce((a, b) => a * b, 1)]),
        list(size),
        list(w.kernel),
      ],
      attributes,
      c: { opset: d.int(18, 25) },
    };
  },
  DeformConv: (d) => {
    const [kh, kw] = [d.int(1, 3), d.int(1, 3)];
    const [n, group, parts] = [d.dim(2), d.int(1, 2), d.int(1, 2)];
    const c = group * parts * d.int(1, 2);
    const m = group * d.int(1, 2);
    const [h, wd] = [kh + d.int(0, 3), kw + d.int(0, 3)];
    const [oh, ow] = [h - kh + 1, wd - kw + 1];
    const x = d.tensor('float', [n, c, h, wd]);
    const w = d.tensor('float', [m, c / group, kh, kw]);
    const offset = d.tensor('float', [n, parts * 2 * kh * kw, oh, ow], -1.5, 1.5);
    const b = d.maybe(() => d.tensor('float', [m]));
    const mask = d.maybe(() => d.tensor('float', [n, parts * kh * kw, oh, ow], 0, 1));
    const inputs = [x, w, offset, b, mask];
    while (inputs[inputs.length - 1] === undefined) inputs.pop();
    return {
      inputs,
      attributes: { group: int(group), offset_group: int(parts), kernel_shape: ints(kh, kw) },
      c: { opset: d.int(19, 25), atol: 1e-4 },
    };
  },
};
