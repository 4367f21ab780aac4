import type { Tensor } from '../../../src/tensor.ts';
import { type Attributes, float, int, ints, list, string } from '../compare.ts';
import type { Draw, Family, Sample } from './draw.ts';

/** Images, signals and losses. */

const trimmed = (inputs: (Tensor | undefined)[]) => {
  while (inputs[inputs.length - 1] === undefined) inputs.pop();
  return inputs;
};

const TRANSFORMS = ['half_pixel', 'pytorch_half_pixel', 'align_corners', 'asymmetric', 'tf_crop_and_resize'];

function resize(d: Draw): Sample {
  const opset = d.int(11, 25);
  const mode = d.pick(['nearest', 'linear', 'cubic']);
  const lead = d.pick([
    [d.dim(2), d.dim(2)],
    [1, 1],
  ]);
  const dims = [...lead, d.int(1, 6), d.int(1, 6)];
  if (mode === 'nearest' && d.chance(0.3)) dims.pop();
  const rank = dims.length;
  const transforms = [...TRANSFORMS, ...(opset >= 19 ? ['half_pixel_symmetric'] : [])];
  const transform = d.pick(transforms);
  const attributes: Record<string, Attributes[string]> = {
    mode: string(mode),
    coordinate_transformation_mode: string(transform),
  };
  if (mode === 'nearest' && d.chance(0.7))
    attributes.nearest_mode = string(d.pick(['round_prefer_floor', 'round_prefer_ceil', 'floor', 'ceil']));
  if (mode === 'cubic' && d.chance()) attributes.cubic_coeff_a = float(d.pick([-0.5, -0.75]));
  if (mode === 'cubic' && d.chance(0.3)) attributes.exclude_outside = int(1);
  const anti = opset >= 18 && mode !== 'nearest' && transform !== 'tf_crop_and_resize' && d.chance(0.3);
  if (anti) attributes.antialias = int(1);
  if (transform === 'tf_crop_and_resize' && d.chance()) attributes.extrapolation_value = float(7);
  const named = opset >= 18 && d.chance(0.4);
  const axes = named ? d.shuffle([rank - 2, rank - 1].filter((a) => a >= 0)) : undefined;
  if (axes) attributes.axes = ints(...axes);
  const scaled = axes ?? dims.map((_, i) => i);
  const roi = transform === 'tf_crop_and_resize';
  const sizes = d.chance();
  const scale = scaled.map((a) => (a < 2 && !axes && rank === 4 ? 1 : d.pick([0.5, 0.6, 0.8, 1, 1.5, 2, 2.3, 3])));
  const out = scaled.map((a, i) => Math.max(1, Math.floor(dims[a]! * scale[i]!)));
  // Along an axis whose length stays onnxruntime 1.30 forgets the region.
  const whole = (a: number, i: number) => out[i] === dims[a];
  const corners = [
    ...scaled.map((a, i) => (whole(a, i) ? 0 : d.real(0, 0.4))),
    ...scaled.map((a, i) => (whole(a, i) ? 1 : d.real(0.6, 1.2))),
  ];
  // Lengths that are not whole: the specification's own cases take them as they are where corners count, onnxruntime rounds first.
  const cornered = transform === 'align_corners' || roi;
  const usable = scale.every((s, i) => {
    const length = Math.fround(s) * dims[scaled[i]!]!;
    return length >= 1 && !(cornered && length !== Math.floor(length));
  });
  // Integers hang on the last bit where values are truncated, and onnxruntime 1.30 rounds the antialiased ones.
  const x = d.tensor(mode === 'nearest' ? d.pick(['float', 'uint8', 'int8'] as const) : 'float', dims, 0, 100);
  if (sizes && !cornered && opset >= 18 && d.chance(0.3))
    attributes.keep_aspect_ratio_policy = string(d.pick(['stretch', 'not_larger', 'not_smaller']));
  const r = roi ? d.values('float', [corners.length], corners) : opset < 13 ? d.values('float', [0], []) : undefined;
  if (sizes || !usable)
    return {
      inputs: [x, r, opset < 13 ? d.values('float', [0], []) : undefined, list(...out)],
      attributes,
      c: { opset, atol: 1e-3, constants: [3] },
    };
  return { inputs: [x, r, d.values('float', [scale.length], scale)], attributes, c: { opset, atol: 1e-3 } };
}

function upsample(d: Draw): Sample {
  const opset = d.int(7, 9);
  const op = 'Upsample';
  const mode = d.pick(['nearest', 'linear']);
  const dims = [d.dim(2), d.dim(2), d.int(1, 5), d.int(1, 5)];
  const scales = [1, 1, d.pick([1, 1.5, 2, 3]), d.pick([1, 2, 2.5])];
  const x = d.tensor('float', dims);
  if (opset < 9)
    return {
      op,
      inputs: [x],
      attributes: { mode: string(mode), scales: { type: 'floats', value: scales } },
      c: { opset },
    };
  return {
    op,
    inputs: [x, d.values('float', [4], scales)],
    attributes: { mode: string(mode) },
    c: { opset, atol: 1e-4 },
  };
}

function gridSample(d: Draw): Sample {
  const opset = d.int(16, 25);
  const solid = opset >= 20 && d.chance(0.3);
  const mode = solid
    ? d.pick(['linear', 'nearest'])
    : opset < 20
      ? d.pick(['bilinear', 'nearest', 'bicubic'])
      : d.pick(['linear', 'nearest', 'cubic']);
  const n = d.dim(2);
  const side = () => d.int(1, 5);
  const x = d.tensor('float', solid ? [n, d.dim(3), side(), side(), side()] : [n, d.dim(3), side(), side()]);
  const grid = d.tensor('float', solid ? [n, side(), side(), side(), 3] : [n, side(), side(), 2], -1.5, 1.5);
  return {
    inputs: [x, grid],
    attributes: {
      mode: string(mode),
      ...(d.chance(0.7) ? { padding_mode: string(d.pick(['zeros', 'border', 'reflection'])) } : {}),
      ...(d.chance() ? { align_corners: int(d.int(0, 1)) } : {}),
    },
    c: { opset, atol: 1e-3, rtol: 1e-3 },
  };
}

function roiAlign(d: Draw): Sample {
  const opset = d.int(10, 25);
  const [n, c, h, w, count] = [d.dim(2), d.dim(2), d.int(3, 8), d.int(3, 8), d.int(1, 4)];
  const boxes: number[] = [];
  for (let i = 0; i < count; i++) {
    const [x, y] = [d.real(0, w / 2), d.real(0, h / 2)];
    boxes.push(x, y, x + d.real(0.5, w / 2), y + d.real(0.5, h / 2));
  }
  const attributes: Record<string, Attributes[string]> = {};
  if (d.chance(0.7)) Object.assign(attributes, { output_height: int(d.int(1, 3)), output_width: int(d.int(1, 3)) });
  if (d.chance()) attributes.sampling_ratio = int(d.int(0, 3));
  if (d.chance()) attributes.spatial_scale = float(d.pick([0.5, 1, 0.7]));
  if (d.chance(0.4)) attributes.mode = string(d.pick(['avg', 'max']));
  if (opset >= 16 && d.chance())
    attributes.coordinate_transformation_mode = string(d.pick(['half_pixel', 'output_half_pixel']));
  return {
    inputs: [
      d.tensor('float', [n, c, h, w]),
      d.values('float', [count, 4], boxes),
      d.whole('int64', [count], 0, n - 1),
    ],
    attributes,
    c: { opset, atol: 1e-4 },
  };
}

function dft(d: Draw): Sample {
  const opset = d.int(17, 25);
  const complex = d.chance();
  const inverse = complex && d.chance();
  const onesided = !complex && d.chance();
  const dims = [d.dim(2), d.dim(6) + 1, d.dim(6) + 1];
  const axis = d.pick([1, 2, -2, -3]);
  const x = d.tensor(d.pick(['float', 'double'] as const), [...dims, complex ? 2 : 1]);
  const length = d.maybe(() => d.values('int64', [], [d.int(2, 9)]));
  const attributes = { ...(inverse ? { inverse: int(1) } : {}), ...(onesided ? { onesided: int(1) } : {}) };
  if (opset < 20)
    return {
      inputs: trimmed([x, length]),
      attributes: { ...attributes, axis: int(axis === -3 ? 1 : axis) },
      c: { opset, atol: 1e-3 },
    };
  return { inputs: trimmed([x, length, d.values('int64', [], [axis])]), attributes, c: { opset, atol: 1e-3 } };
}

function loss(d: Draw, op: 'NegativeLogLikelihoodLoss' | 'SoftmaxCrossEntropyLoss'): Sample {
  const [n, c] = [d.dim(4), d.dim(5)];
  const rest = d.dims(0, 2, 4);
  const dtype = d.pick(['float', 'double'] as const);
  const x = d.tensor(dtype, [n, c, ...rest]);
  const ignore = d.chance(0.4) ? d.pick([0, c - 1, -1, 10]) : undefined;
  const target = d.whole(d.pick(['int64', 'int32']), [n, ...rest], 0, c - 1);
  if (ignore !== undefined && d.chance()) target.data[0] = target.dtype === 'int64' ? BigInt(ignore) : ignore;
  const weight = d.maybe(() => d.tensor(dtype, [c], 0.2, 1));
  return {
    inputs: trimmed([x, target, weight]),
    attributes: {
      ...(d.chance(0.8) ? { reduction: string(d.pick(['none', 'sum', 'mean'])) } : {}),
      ...(ignore === undefined ? {} : { ignore_index: int(ignore) }),
    },
    c: { opset: d.int(12, 25), outputs: op === 'SoftmaxCrossEntropyLoss' ? d.int(1, 2) : 1, atol: 1e-4 },
  };
}

const windowed = (d: Draw): Sample => ({
  op: d.pick(['HannWindow', 'HammingWindow', 'BlackmanWindow']),
  inputs: [d.values(d.pick(['int64', 'int32']), [], [d.int(2, 20)])],
  attributes: {
    ...(d.chance() ? { periodic: int(d.int(0, 1)) } : {}),
    ...(d.chance() ? { output_datatype: int(d.pick([1, 11])) } : {}),
  },
  c: { opset: d.int(17, 25), atol: 1e-5 },
});

export const signals: Family = {
  Resize: resize,
  Upsample: upsample,
  GridSample: gridSample,
  RoiAlign: roiAlign,
  MaxRoiPool: (d) => {
    const [n, c, h, w, count] = [d.dim(2), d.dim(2), d.int(3, 8), d.int(3, 8), d.int(1, 4)];
    const rois: number[] = [];
    for (let i = 0; i < count; i++) {
      const [x, y] = [d.int(0, w - 1), d.int(0, h - 1)];
      rois.push(d.int(0, n - 1), x, y, d.int(x, w - 1), d.int(y, h - 1));
    }
    return {
      inputs: [d.distinct('float', [n, c, h, w]), d.values('float', [count, 5], rois)],
      attributes: {
        pooled_shape: ints(d.int(1, 3), d.int(1, 3)),
        ...(d.chance() ? { spatial_scale: float(d.pick([0.5, 1])) } : {}),
      },
      c: { opset: d.int(7, 25) },
    };
  },
  DFT: dft,
  STFT: (d) => {
    const [n, frame, step] = [d.int(8, 30), d.int(2, 8), d.int(1, 4)];
    const dtype = d.pick(['float', 'double'] as const);
    // Real signals only: of complex ones onnxruntime 1.30 reads beyond the frame.
    const scalar = (v: number) => d.values('int64', [], [v]);
    const w = d.maybe(() => d.tensor(dtype, [frame], 0.1, 1));
    return {
      inputs: trimmed([
        d.tensor(dtype, [d.dim(2), n, 1]),
        scalar(step),
        w,
        w && d.chance() ? undefined : scalar(frame),
      ]),
      attributes: d.chance() ? { onesided: int(d.int(0, 1)) } : {},
      c: { opset: d.int(17, 25), atol: 1e-3 },
    };
  },
  Windows: windowed,
  MelWeightMatrix: (d) => {
    const scalar = (dtype: 'int64' | 'float', v: number) => d.values(dtype, [], [v]);
    return {
      inputs: [
        scalar('int64', d.int(1, 8)),
        scalar('int64', d.pick([16, 32, 64])),
        scalar('int64', 8192),
        scalar('float', d.int(0, 200)),
        scalar('float', d.int(1000, 4096)),
      ],
      attributes: d.chance() ? { output_datatype: int(d.pick([1, 11])) } : {},
      c: { opset: d.int(17, 25) },
    };
  },
  NegativeLogLikelihoodLoss: (d) => loss(d, 'NegativeLogLikelihoodLoss'),
  SoftmaxCrossEntropyLoss: (d) => loss(d, 'SoftmaxCrossEntropyLoss'),
  Det: (d) => {
    const n = d.int(1, 5);
    return {
      inputs: [d.tensor('float', [...d.dims(0, 2, 3), n, n])],
      c: { opset: d.int(11, 25), atol: 1e-2, rtol: 1e-3 },
    };
  },
  TfIdfVectorizer: (d) => ({
    inputs: [d.whole(d.pick(['int64', 'int32']), d.chance() ? [d.int(3, 10)] : [d.dim(3), d.int(3, 8)], 0, 6)],
    attributes: {
      mode: string(d.pick(['TF', 'IDF', 'TFIDF'])),
      min_gram_length: int(d.int(1, 2)),
      max_gram_length: int(2),
      max_skip_count: int(d.int(0, 3)),
      ngram_counts: ints(0, 4),
      ngram_indexes: ints(0, 1, 2, 3, 4, 5, 6),
      pool_int64s: ints(2, 3, 5, 4, 5, 6, 1, 2, 6, 2),
      ...(d.chance() ? { weights: { type: 'floats', value: [2, 2, 1, 3, 0.5, 1, 4] } as const } : {}),
    },
    c: { opset: d.int(9, 25) },
  }),
};
