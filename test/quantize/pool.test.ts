import { readFileSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { findLayers, prepareModel, Session } from '../../src/graph/index.ts';
import { readModel, writeModel } from '../../src/onnx/index.ts';
import { PrecisionAwareQuantizer } from '../../src/quantize/index.ts';
import { totalBytes } from '../../src/quantize/format.ts';
import { loadWasm, modelPath } from '../helpers.ts';
import { planFor } from './models.ts';

const wasm = await loadWasm();

const prepared = (name: string) => prepareModel(readModel(new Uint8Array(readFileSync(modelPath(name)))));

/** A demonstration with zero points, rows of widths `least` to `most` in no order, or of one width. */
function written(name: string, least: number, most: number) {
  const model = prepared(name);
  const plan = planFor(model, (i) => {
    const { rows } = findLayers(model).layers[i]!;
    const rowBits = Array.from({ length: rows }, (_, r) => least + ((5 * r + i) % (most - least + 1)));
    return { bits: Math.max(...rowBits), symmetric: false, ...(least < most ? { rowBits } : {}) };
  });
  const result = new PrecisionAwareQuantizer(wasm, { keepValues: false }).quantizeModel(model, plan);
  const bytes = writeModel(result.model);
  const weights = result.layers.reduce((n, l) => n + 4 * l.params, 0);
  const least1 = writeModel(model).length - weights + result.layers.reduce((n, l) => n + totalBytes(l.stored!), 0);
  return {
    bytes,
    overhead: bytes.length / least1 - 1,
    nodes: result.model.graph.nodes.length - model.graph.nodes.length,
  };
}

// Shapes, names and nodes that decode, as a share of all else.
for (const [name, least, most, limit] of [
  ['mnist-mlp.onnx', 4, 4, 0.006],
  ['mnist-mlp.onnx', 2, 8, 0.02],
  ['resnet18-fashion.onnx', 3, 4, 0.01],
  ['resnet18-fashion.onnx', 2, 8, 0.01],
  ['transformer-text.onnx', 2, 8, 0.004],
] as const)
  test(`${name}, rows of ${least} to ${most} bits: at most ${100 * limit} % beside codes, scales, zero points and the rest`, () => {
    const { overhead, nodes } = written(name, least, most);
    assert.ok(overhead < limit, `${(100 * overhead).toFixed(2)} %`);
    assert.ok(nodes < 120, `${nodes} nodes`);
  });

test('weights that only products read stay in codes while the executor runs such a file', () => {
  for (const [least, most] of [
    [4, 4],
    [3, 6],
  ] as const) {
    const model = readModel(written('mnist-mlp.onnx', least, most).bytes);
    const sizes = [true, false].map((packed) => {
      const before = wasm.arena.used;
      const session = new Session(model, wasm, { packed });
      const used = wasm.arena.used - before;
      session.dispose();
      return used;
    });
    assert.ok(sizes[0]! < 0.3 * sizes[1]!, `${sizes}`);
  }
});

test.run();
