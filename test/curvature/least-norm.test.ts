import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { leastConvolutionNorm } from '../../src/curvature/least-norm.ts';
import { layerSpectrum } from '../../src/curvature/spectra.ts';
import { findLayers, Session } from '../../src/graph/index.ts';
import { makeInitializer, makeNode, makeValueInfo } from '../../src/onnx/index.ts';
import { type Tensor, tensor } from '../../src/tensor.ts';
import { svd } from '../../src/wasm/svd.ts';
import { floats } from '../demonstration.ts';
import { loadWasm, normals, random } from '../helpers.ts';
import { model } from '../quantize/models.ts';

const test = suite('curvature/least-norm');
const wasm = await loadWasm();

const CASES = [
  { dims: [8, 4, 3, 3], input: [4, 7, 6], pads: [1, 1, 1, 1], strides: [1, 1] },
  { dims: [8, 8, 3, 3], input: [8, 2, 2], pads: [1, 1, 1, 1], strides: [1, 1] },
  { dims: [8, 4, 3, 3], input: [4, 6, 6], pads: [1, 1, 1, 1], strides: [2, 2] },
  { dims: [16, 2, 3, 3], input: [8, 5, 5], pads: [0, 0, 0, 0], strides: [1, 1], group: 4 },
  { dims: [32, 16, 1, 1], input: [16, 4, 4], pads: [0, 0, 0, 0], strides: [2, 2] },
  { dims: [6, 5, 3, 3], input: [5, 1, 4], pads: [1, 1, 1, 1], strides: [1, 1] },
];

test('between nothing and the norm of the operator written out as a matrix, which the upper bound is above', () => {
  for (const [i, { dims, input, pads, strides, group = 1 }] of CASES.entries()) {
    const weight = tensor(
      'float',
      dims,
      normals(
        dims.reduce((a, b) => a * b, 1),
        random(i + 1),
        0.3,
      ),
    );
    const m = model(
      {
        nodes: [
          makeNode('Conv', ['x', 'w'], ['y'], {
            pads: { type: 'ints', value: pads },
            strides: { type: 'ints', value: strides },
            kernel_shape: { type: 'ints', value: dims.slice(2) },
            group: { type: 'int', value: group },
          }),
        ],
        initializers: [makeInitializer('w', weight)],
        inputs: [makeValueInfo('x', 'float', ['N', ...input])],
        outputs: [makeValueInfo('y', 'float', undefined)],
      },
      17,
    );
    const [layer] = findLayers(m).layers;
    if (!layer) throw new Error(`case ${i}: no layer`);
    const n = input.reduce((a, b) => a * b, 1);
    const eye = new Float32Array(n * n);
    for (let k = 0; k < n; k++) eye[k * n + k] = 1;
    const session = new Session(m, wasm);
    const out = session.run({ x: tensor('float', [n, ...input], eye) }).y as Tensor;
    session.dispose();
    // Row k of the output is the operator's column k.
    const norm = svd(wasm, Float64Array.from(floats(out)), n, out.data.length / n).sigma[0]!;
    const least = leastConvolutionNorm(wasm, layer, floats(weight), input);
    const most = layerSpectrum(wasm, layer, () => floats(weight)).sigmaMax;
    assert.ok(least > 0.3 * norm && least <= norm * (1 + 1e-6), `case ${i}: ${least} of ${norm}`);
    assert.ok(norm <= most * (1 + 1e-6), `case ${i}: ${norm} above ${most}`);
    // A kernel of one element is a matrix.
    if (dims[2] === 1) assert.ok(Math.abs(least - norm) < 1e-5 * norm);
    assert.is(leastConvolutionNorm(wasm, layer, floats(weight), undefined), 0);
  }
});

test.run();
