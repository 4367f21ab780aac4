import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { findLayers } from '../../src/graph/index.ts';
import { readModel, writeModel } from '../../src/onnx/index.ts';
import type { Model } from '../../src/onnx/model.ts';
import { FORMATS, PrecisionAwareQuantizer } from '../../src/quantize/index.ts';
import { gridBytes } from '../../src/grid/index.ts';
import { bitsOf, dtypeOf, sizeOf } from '../../src/tensor.ts';
import { loadWasm, modelPath } from '../helpers.ts';
import { CASES, planFor, separateLayers } from './models.ts';
import { runIn } from './run.ts';

const wasm = await loadWasm();
const quantizer = new PrecisionAwareQuantizer(wasm);

/** Bytes of the elements of the initializers made for a weight: `{weight}.q`, `.q0`, `.s`, `.z`. */
function storedBytes(m: Model, weight: string): number {
  let bytes = 0;
  for (const t of m.graph.initializers) {
    if (!/^\.(q\d?|s|z)$/.test(t.name.slice(weight.length)) || !t.name.startsWith(weight)) continue;
    bytes += Math.ceil((sizeOf(t.dims) * bitsOf(dtypeOf(t.dataType)!)) / 8);
  }
  return bytes;
}

for (const format of ['dense', 'qdq']) {
  test(`${format}: bytes counted beforehand, reported and found in the file are the same`, () => {
    const f = FORMATS[format]!;
    const scaleType = f.scaleTypes[0]!;
    for (const bits of f.widths) {
      for (const granularity of ['tensor', 'channel', 8, 5] as const) {
        for (const symmetric of [true, false]) {
          const { model } = separateLayers(
            CASES.map((_, i) => i),
            21,
          );
          const plan = planFor(model, () => ({ bits, granularity, symmetric, format }));
          const result = quantizer.quantizeModel(model, plan);
          const written = readModel(writeModel(result.model));
          for (const [i, { rows, cols, weight }] of findLayers(model).layers.entries()) {
            const spec = { bits, granularity, symmetric, scaleType };
            const what = `[${CASES[i]!.dims}] at ${bits} bits, ${granularity}, ${symmetric}`;
            assert.is(result.layers[i]!.bytes, f.bytes(rows, cols, spec), what);
            assert.is(storedBytes(written, weight), f.bytes(rows, cols, spec), what);
            if (format === 'dense') assert.is(gridBytes(rows, cols, spec), f.bytes(rows, cols, spec));
          }
        }
      }
    }
  });

  test(`${format}: the file is what layers, shared tables and the rest of the model take`, () => {
    const bytes = readFileSync(modelPath('mnist-mlp.onnx'));
    const model = readModel(new Uint8Array(bytes));
    const names = new Set(findLayers(model).layers.map((l) => l.weight));
    const rest = (all: Model, size: number) =>
      size - all.graph.initializers.reduce((s, t) => s + (names.has(t.name) ? fieldBytes(t.wire!.length) : 0), 0);
    const before = rest(model, bytes.length);
    for (const widths of [
      [4, 8, 4],
      ...(format === 'dense'
        ? [
            [3, 2, 7],
            [5, 6, 16],
          ]
        : [[16, 4, 8]]),
    ]) {
      const result = quantizer.quantizeModel(
        model,
        planFor(model, (i) => ({ bits: widths[i]!, format })),
      );
      const size = writeModel(result.model).length;
      const counted = result.layers.reduce((s, l) => s + l.fileBytes, 0) + result.sharedBytes + before;
      // Lengths of enclosing messages and the number of the opset may take a byte or two less or more.
      assert.ok(Math.abs(size - counted) <= 4, `${widths}: ${size} bytes, counted ${counted}`);
      const payload = result.layers.reduce((s, l) => s + l.bytes, 0);
      const overhead = size - before - payload;
      assert.ok(
        overhead >= 0 && overhead < 0.01 * bytes.length,
        `${widths}: ${overhead} bytes beyond codes and scales`,
      );
      assert.ok(payload < (Math.max(...widths) / 32) * bytes.length * 1.02);
    }
  });
}

/** Bytes of a field of a message: tag, length, content. */
function fieldBytes(content: number): number {
  let prefix = 2;
  for (let n = content; n >= 128; n = Math.floor(n / 128)) prefix++;
  return prefix + content;
}

test('dense: node folds every decode at load; nothing but the layers’ own operators is left', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'kappa-test-'));
  try {
    for (const opset of [7, 17, 18, 21]) {
      const which = CASES.map((_, i) => i);
      const { model, feeds } = separateLayers([...which, ...which], opset);
      const plan = planFor(model, (i) => ({
        bits: [2, 3, 4, 5, 6, 7, 8, 16][i % 8]!,
        granularity: i % 3 === 0 ? 8 : 'channel',
        symmetric: i % 2 === 0,
      }));
      const optimizedPath = join(folder, `${opset}.onnx`);
      await runIn('node', writeModel(quantizer.quantizeModel(model, plan).model), feeds, { optimizedPath });
      const optimized = readModel(new Uint8Array(readFileSync(optimizedPath)));
      const left = new Set(optimized.graph.nodes.map((n) => n.opType));
      for (const op of ['Cast', 'Mul', 'Sub', 'Add', 'BitwiseOr', 'Floor', 'Slice'])
        assert.not.ok(left.has(op), `opset ${opset}: ${op} is left`);
      // The weights themselves are fp32 constants again.
      const floats = optimized.graph.initializers
        .filter((t) => t.dataType === 1)
        .reduce((s, t) => s + sizeOf(t.dims), 0);
      assert.ok(floats >= model.graph.initializers.reduce((s, t) => s + sizeOf(t.dims), 0) - 1);
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('the ramp and tables of a model are shared by all its layers', () => {
  const { model } = separateLayers([0, 0, 0, 0, 0, 0], 17);
  const of = (bits: number) =>
    quantizer.quantizeModel(
      model,
      planFor(model, () => ({ bits })),
    ).sharedBytes;
  const { model: single } = separateLayers([0], 17);
  const alone = (bits: number) =>
    quantizer.quantizeModel(
      single,
      planFor(single, () => ({ bits })),
    ).sharedBytes;
  for (const bits of [2, 3, 4, 7]) {
    assert.ok(of(bits) < 1500);
    assert.ok(Math.abs(of(bits) - alone(bits)) < 16);
  }
  assert.is(of(8), 0);
});

test.run();
