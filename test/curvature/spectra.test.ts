import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  type ConvolutionShape,
  convolutionLowerEstimate,
  convolutionUpperBound,
  layerSpectrum,
  type SpectrumLayer,
} from '../../src/curvature/spectra.ts';
import type { Attribute } from '../../src/onnx/model.ts';
import { svd } from '../../src/wasm/svd.ts';
import { throws } from '../throws.ts';
import { loadWasm, normals, random } from '../helpers.ts';

const wasm = await loadWasm();

const near = (a: number, b: number, tolerance: number, what = ''): void =>
  assert.ok(Math.abs(a - b) <= tolerance * Math.abs(b), `${what} ${a} against ${b}`);

function layer(
  opType: string,
  dims: readonly number[],
  rows: number,
  cols: number,
  groups = 1,
  attributes: Record<string, readonly number[]> = {},
): SpectrumLayer {
  const entries = Object.entries(attributes).map(([k, value]): [string, Attribute] => [k, { type: 'ints', value }]);
  return { opType, dims, rows, cols, groups, nodes: [{ attributes: new Map(entries) }] };
}

/** The convolution as a dense matrix, zero padding of half the kernel, inputs of `size` on every axis. */
function dense(
  kernel: Float32Array,
  shape: ConvolutionShape,
  size: readonly number[],
): { data: Float64Array; rows: number; cols: number } {
  const [outputs, inputs] = [shape.dims[0]!, shape.dims[1]!];
  const { groups } = shape;
  const axes = shape.dims.slice(2).map((k, a) => {
    const [stride, dilation] = [shape.strides?.[a] ?? 1, shape.dilations?.[a] ?? 1];
    const pad = Math.floor((dilation * (k - 1)) / 2);
    return {
      k,
      stride,
      dilation,
      pad,
      n: size[a]!,
      out: Math.floor((size[a]! + 2 * pad - dilation * (k - 1) - 1) / stride) + 1,
    };
  });
  const product = (f: (a: (typeof axes)[number]) => number): number => axes.reduce((s, a) => s * f(a), 1);
  const [inSize, outSize, taps] = [product((a) => a.n), product((a) => a.out), product((a) => a.k)];
  const digits = (index: number, f: (a: (typeof axes)[number]) => number): number[] => {
    let rest = index;
    return [...axes]
      .reverse()
      .map((a) => {
        const d = rest % f(a);
        rest = Math.floor(rest / f(a));
        return d;
      })
      .reverse();
  };
  const [rows, cols] = [outputs * outSize, inputs * groups * inSize];
  const data = new Float64Array(rows * cols);
  for (let m = 0; m < outputs; m++) {
    const group = Math.floor(m / (outputs / groups));
    for (let o = 0; o < outSize; o++) {
      const at = digits(o, (a) => a.out);
      for (let t = 0; t < taps; t++) {
        const tap = digits(t, (a) => a.k);
        const from = axes.map((a, i) => at[i]! * a.stride + tap[i]! * a.dilation - a.pad);
        if (from.some((x, i) => x < 0 || x >= axes[i]!.n)) continue;
        const flat = from.reduce((s, x, i) => s * axes[i]!.n + x, 0);
        for (let c = 0; c < inputs; c++)
          data[(m * outSize + o) * cols + (group * inputs + c) * inSize + flat]! +=
            kernel[(m * inputs + c) * taps + t]!;
      }
    }
  }
  return { data, rows, cols };
}

const SHAPES: readonly (ConvolutionShape & { size: readonly number[] })[] = [
  { dims: [4, 3, 3, 3], groups: 1, size: [7, 7] },
  { dims: [4, 3, 3, 3], groups: 1, strides: [2, 2], size: [8, 8] },
  { dims: [3, 4, 5, 3], groups: 1, strides: [2, 1], size: [8, 6] },
  { dims: [3, 3, 3, 3], groups: 1, dilations: [2, 2], size: [9, 9] },
  { dims: [3, 2, 3, 3], groups: 1, strides: [2, 2], dilations: [2, 1], size: [9, 8] },
  { dims: [6, 2, 3, 3], groups: 3, size: [6, 6] },
  { dims: [5, 1, 3, 3], groups: 5, size: [6, 6] },
  { dims: [8, 5, 1, 1], groups: 1, size: [3, 3] },
  { dims: [4, 3, 1, 1], groups: 1, strides: [2, 2], size: [5, 5] },
  { dims: [4, 3, 5], groups: 1, strides: [3], size: [20] },
  { dims: [2, 2, 3, 2, 3], groups: 1, strides: [1, 2, 1], size: [4, 4, 4] },
];

test('convolutions: lower estimate <= true norm <= proved bound, for strides, dilations, groups and 1 to 3 axes', () => {
  SHAPES.forEach(({ size, ...shape }, s) => {
    for (const positive of [false, true]) {
      const kernel = normals(
        shape.dims.reduce((a, b) => a * b, 1),
        random(70 + s),
      ).map((v) => (positive ? Math.abs(v) : v));
      const matrix = dense(kernel, shape, size);
      const truth = svd(wasm, matrix.data, matrix.rows, matrix.cols).sigma[0]!;
      const upper = convolutionUpperBound(wasm, kernel, shape);
      const lower = convolutionLowerEstimate(kernel, shape, { size, iterations: 500 });
      assert.ok(truth <= upper.value, `${JSON.stringify(shape)}: ${truth} above ${upper.value} (${upper.by})`);
      assert.ok(lower <= truth * (1 + 1e-12), `${JSON.stringify(shape)}: ${lower} above ${truth}`);
      assert.ok(lower >= 0.98 * truth, `${JSON.stringify(shape)}: ${lower} far below ${truth}`);
      assert.ok(upper.value <= 2.5 * truth, `${JSON.stringify(shape)}: ${upper.value} far above ${truth}`);
    }
  });
});

test('the norm of the reshaped kernel is no bound on the convolution', () => {
  // An all-ones 3 x 3 kernel: reshaped norm 3, but a constant image is multiplied by 9.
  const kernel = new Float32Array(9).fill(1);
  const shape = { dims: [1, 1, 3, 3], groups: 1 };
  assert.is(svd(wasm, Float64Array.from(kernel), 1, 9).sigma[0], 3);
  const lower = convolutionLowerEstimate(kernel, shape, { size: [24, 24] });
  assert.ok(lower > 8.7 && lower < 9, `${lower}`);
  near(convolutionUpperBound(wasm, kernel, shape).value, 9, 1e-9);
});

test('kernels of one element and of stride = size are exact', () => {
  const next = random(1);
  for (const shape of [
    { dims: [6, 4, 1, 1], groups: 1 },
    { dims: [6, 2, 2, 2], groups: 1, strides: [2, 2] },
  ]) {
    const kernel = normals(
      shape.dims.reduce((a, b) => a * b, 1),
      next,
    );
    const sigma = svd(wasm, Float64Array.from(kernel), 6, kernel.length / 6).sigma[0]!;
    near(convolutionUpperBound(wasm, kernel, shape).value, sigma, 1e-9);
    near(convolutionLowerEstimate(kernel, shape, { size: [8, 8], iterations: 400 }), sigma, 1e-6);
  }
});

test('a larger input never has a smaller norm', () => {
  const kernel = normals(2 * 2 * 9, random(6));
  const shape = { dims: [2, 2, 3, 3], groups: 1 };
  let last = 0;
  for (const n of [3, 5, 8, 12]) {
    const now = convolutionLowerEstimate(kernel, shape, { size: [n, n], iterations: 2000 });
    assert.ok(now >= last * (1 - 1e-6), `${n}: ${now} below ${last}`);
    last = now;
  }
});

test('dense layers: singular values, condition number, curvature = sigma_max', () => {
  const rows = normals(30 * 17, random(2), 0.1);
  const s = layerSpectrum(wasm, layer('MatMul', [17, 30], 30, 17), () => rows);
  const { sigma } = svd(wasm, Float64Array.from(rows), 30, 17);
  assert.equal([...s.sigma], [...sigma]);
  near(s.sigmaMax, sigma[0]!, 1e-10);
  near(s.condition, sigma[0]! / sigma[16]!, 1e-12);
  assert.ok(s.exact);
  assert.is(s.lowerEstimate(), s.sigmaMax);
  // diag(1..8): sigma is the diagonal.
  const diagonal = new Float32Array(64);
  for (let i = 0; i < 8; i++) diagonal[i * 9] = i + 1;
  const d = layerSpectrum(wasm, layer('Gemm', [8, 8], 8, 8), () => diagonal);
  near(d.sigmaMax, 8, 1e-14);
  near(d.condition, 8, 1e-14);
  assert.is(
    layerSpectrum(wasm, layer('Gemm', [2, 2], 2, 2), () => new Float32Array([1, 1, 1, 1])).condition > 1e10,
    true,
  );
  assert.is(
    layerSpectrum(wasm, layer('Gemm', [2, 2], 2, 2), () => new Float32Array(4)).condition,
    Number.POSITIVE_INFINITY,
  );
});

test('weights as bytes at any address: the same bits', () => {
  for (const [of, weights] of [
    [layer('MatMul', [40, 70], 70, 40), 2800],
    [layer('Conv', [6, 2, 3, 3], 6, 18, 3), 108],
    [layer('Conv', [40, 40, 3, 3], 40, 360), 14400],
    [layer('ConvTranspose', [4, 3, 3, 3], 3, 36), 108],
    [layer('Gather', [9, 5], 9, 5), 45],
  ] as const) {
    const rows = normals(weights, random(weights));
    const room = new Uint8Array(4 * weights + 1);
    const bytes = room.subarray(1);
    bytes.set(new Uint8Array(rows.buffer));
    const [floats, stored] = [layerSpectrum(wasm, of, () => rows), layerSpectrum(wasm, of, () => bytes)];
    assert.equal(stored.known, floats.known);
    assert.equal(stored.sigma, floats.sigma);
    assert.is(stored.lowerEstimate({ size: [5, 5] }), floats.lowerEstimate({ size: [5, 5] }));
  }
  const bad = new Uint8Array(new Float32Array([1, 2, Number.NaN, 4]).buffer);
  for (const op of ['Gemm', 'Gather'])
    throws(() => layerSpectrum(wasm, layer(op, [2, 2], 2, 2), () => bad), RangeError);
  throws(() => layerSpectrum(wasm, layer('Gemm', [2, 2], 2, 2), () => bad.subarray(1)), RangeError, /2 x 2/);
});

test('a table: the longest row', () => {
  const s = layerSpectrum(wasm, layer('Gather', [3, 2], 3, 2), () => new Float32Array([1, 1, 3, 4, 0, 2]));
  assert.equal([s.sigmaMax, s.exact], [5, true]);
});

test('grouped convolutions: the largest group; ConvTranspose: the adjoint', () => {
  const next = random(12);
  const kernel = normals(6 * 2 * 9, next);
  const grouped = layerSpectrum(wasm, layer('Conv', [6, 2, 3, 3], 6, 18, 3), () => kernel);
  const each = [0, 1, 2].map(
    (g) => convolutionUpperBound(wasm, kernel.slice(g * 36, (g + 1) * 36), { dims: [2, 2, 3, 3], groups: 1 }).value,
  );
  assert.is(grouped.sigmaMax, Math.max(...each));
  assert.is(grouped.sigma.length, 6);
  assert.not(grouped.exact);
  // Row form of ConvTranspose: [M/g, C * taps].
  const [c, m] = [4, 3];
  const stored = normals(c * m * 9, next);
  const rows = new Float32Array(stored.length);
  for (let i = 0; i < m; i++)
    for (let j = 0; j < c; j++) for (let t = 0; t < 9; t++) rows[(i * c + j) * 9 + t] = stored[(j * m + i) * 9 + t]!;
  const strides = [2, 2];
  const transposed = layerSpectrum(wasm, layer('ConvTranspose', [c, m, 3, 3], m, c * 9, 1, { strides }), () => rows);
  assert.is(transposed.sigmaMax, convolutionUpperBound(wasm, stored, { dims: [c, m, 3, 3], groups: 1, strides }).value);
  assert.ok(transposed.lowerEstimate() <= transposed.sigmaMax);
});

test('a weight used with two strides takes the larger bound', () => {
  const kernel = normals(4 * 4 * 9, random(3));
  const one = layer('Conv', [4, 4, 3, 3], 4, 36, 1, { strides: [2, 2] });
  const both = { ...one, nodes: [...one.nodes, { attributes: new Map<string, Attribute>() }] };
  assert.is(
    layerSpectrum(wasm, both, () => kernel).sigmaMax,
    convolutionUpperBound(wasm, kernel, { dims: [4, 4, 3, 3], groups: 1 }).value,
  );
  assert.ok(layerSpectrum(wasm, one, () => kernel).sigmaMax <= layerSpectrum(wasm, both, () => kernel).sigmaMax);
});

test('weights of the wrong size or not finite are refused', () => {
  throws(
    () => layerSpectrum(wasm, layer('Gemm', [2, 2], 2, 2), () => new Float32Array(3)),
    RangeError,
    /expected 2 x 2 weights, got 3/,
  );
  for (const op of ['Gemm', 'Gather'])
    throws(
      () => layerSpectrum(wasm, layer(op, [2, 2], 2, 2), () => new Float32Array([1, 2, Number.NaN, 4])),
      RangeError,
    );
});

test.run();
