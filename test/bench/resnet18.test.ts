import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { normals, random } from '../../bench/speed/random.ts';
import { type ConvShape, RESNET18_CONVOLUTIONS, resnet18 } from '../../bench/speed/resnet18.ts';
import { findLayers, Session } from '../../src/graph/index.ts';
import { readModel } from '../../src/onnx/index.ts';
import { sizeOf, type Tensor } from '../../src/tensor.ts';
import { loadWasm } from '../helpers.ts';
import { runOrt, same } from '../ops/compare.ts';

const test = suite('bench/resnet18');
const SIZE = 64;
const bytes = resnet18(18, SIZE);
const model = readModel(bytes);
const image: Tensor = { dtype: 'float', dims: [1, 3, SIZE, SIZE], data: normals(3 * SIZE * SIZE, random(1)) };

test('it has the layers and the 11.7 million weights of ResNet-18', () => {
  const count = (op: string) => model.graph.nodes.filter((n) => n.opType === op).length;
  assert.equal(['Conv', 'Gemm', 'Relu', 'Add', 'MaxPool', 'GlobalAveragePool'].map(count), [20, 1, 17, 8, 1, 1]);
  const weights = findLayers(model).layers.reduce((sum, layer) => sum + layer.params, 0);
  // He et al. count biases and normalisation too: 11.69 million
  assert.is(weights, 11_678_912);
  assert.is(
    model.graph.initializers.reduce((sum, t) => sum + sizeOf(t.dims), 0),
    weights + 4800 + 1000,
  );
});

test('the same seed gives the same file, another one another', () => {
  assert.equal(resnet18(18, SIZE), bytes);
  const middle = bytes.length >> 1;
  assert.not.equal(resnet18(19, SIZE).subarray(middle, middle + 4000), bytes.subarray(middle, middle + 4000));
});

const wasm = await loadWasm();
const session = new Session(model, wasm);

test('its convolutions are those of the list', () => {
  const found = new Map<string, ConvShape>();
  session.run(
    { image },
    {
      observe: (node, inputs) => {
        if (node.opType !== 'Conv') return;
        const [x, w] = [inputs[0]!.dims, inputs[1]!.dims];
        const strides = node.attributes.get('strides')!.value as readonly number[];
        const shape = {
          inChannels: w[1]!,
          outChannels: w[0]!,
          kernel: w[2]!,
          stride: strides[0]!,
          size: (x[2]! * 224) / SIZE,
        };
        const key = JSON.stringify(shape);
        found.set(key, { ...shape, count: (found.get(key)?.count ?? 0) + 1 });
      },
    },
  );
  const sorted = (shapes: readonly ConvShape[]) => shapes.map((s) => JSON.stringify(s)).sort();
  assert.equal(sorted([...found.values()]), sorted(RESNET18_CONVOLUTIONS));
});

test('it runs as onnxruntime runs it, on numbers of ordinary size', async () => {
  const { logits } = session.run({ image });
  assert.equal(logits!.dims, [1, 1000]);
  const expected = await runOrt(bytes, { image });
  same(logits!, expected.logits!, 'logits', 1e-4, 1e-4);
  const largest = (logits!.data as Float32Array).reduce((m, v) => Math.max(m, Math.abs(v)), 0);
  assert.ok(largest > 0.1 && largest < 100, `largest logit ${largest}`);
});

test.after(() => session.dispose());
test.run();
