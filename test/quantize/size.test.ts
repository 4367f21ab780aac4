import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { findLayers, prepareModel } from '../../src/graph/index.ts';
import { makeInitializer, makeNode, makeValueInfo, readModel, writeModel } from '../../src/onnx/index.ts';
import type { Model } from '../../src/onnx/model.ts';
import { FORMATS, PrecisionAwareQuantizer } from '../../src/quantize/index.ts';
import { gridBytes } from '../../src/grid/index.ts';
import { sizeOf } from '../../src/tensor.ts';
import { loadWasm, modelPath } from '../helpers.ts';
import { CASES, model, planFor, separateLayers, weights } from './models.ts';
import { runIn } from './run.ts';
import { storedBytes } from './stored.ts';

const wasm = await loadWasm();
const quantizer = new PrecisionAwareQuantizer(wasm);

for (const format of ['dense', 'qdq']) {
  test(`${format}: bytes counted beforehand, reported and found in the file are the same`, () => {
    const f = FORMATS[format]!;
    const scaleType = f.scaleTypes[0]!;
    for (const bits of f.widths) {
      for (const granularity of ['tensor', 'channel', 8, 5] as const) {
        for (const symmetric of [true, false]) {
          // What qdq refuses at 2 bits are rows that end within a byte.
          const which = CASES.flatMap((c, i) =>
            format === 'qdq' && bits === 2 && c.dims.at(-1)! % 4 !== 0 ? [] : [i],
          );
          const { model } = separateLayers(which, 21);
          const plan = planFor(model, () => ({ bits, granularity, symmetric, format }));
          const result = quantizer.quantizeModel(model, plan);
          const written = readModel(writeModel(result.model));
          const stored = { codes: 0, scales: 0, zeros: 0 };
          for (const [i, { rows, cols }] of findLayers(model).layers.entries()) {
            const spec = { bits, granularity, symmetric, scaleType };
            const what = `[${CASES[which[i]!]!.dims}] at ${bits} bits, ${granularity}, ${symmetric}`;
            assert.is(result.layers[i]!.bytes, f.bytes(rows, cols, spec), what);
            const own = result.layers[i]!.stored!;
            for (const key of ['codes', 'scales', 'zeros'] as const) stored[key] += own[key];
            if (format === 'dense') assert.is(gridBytes(rows, cols, spec), f.bytes(rows, cols, spec));
          }
          const found = storedBytes(written, model);
          const what = `${bits} bits, ${granularity}, ${symmetric}`;
          // Padding is counted of every weight; those decoded together have less.
          assert.ok(
            found.codes <= stored.codes && found.codes > stored.codes - bits * which.length,
            `${what}: ${found.codes} bytes of codes, counted ${stored.codes}`,
          );
          assert.equal({ ...found, codes: 0 }, { ...stored, codes: 0 }, what);
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
      for (const op of [
        'Cast',
        'Mul',
        'Sub',
        'Add',
        'BitwiseOr',
        'BitShift',
        'Mod',
        'Floor',
        'Slice',
        'Split',
        'Concat',
        'TopK',
      ])
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

test('weights alike but for their rows are decoded as one: what a further one takes beside its codes, scales and name', () => {
  for (const opset of [12, 17, 18])
    for (const mixed of [false, true]) {
      const overhead = (count: number): number => {
        const dims = Array.from({ length: count }, (_, i) => [32, 16 + 8 * (i % 3)]);
        const m = model(
          {
            nodes: dims.map((_, i) => makeNode('MatMul', ['x', `w${i}`], [`y${i}`])),
            initializers: dims.map((d, i) => makeInitializer(`w${i}`, weights(d, i))),
            inputs: [makeValueInfo('x', 'float', [1, 32])],
            outputs: dims.map((_, i) => makeValueInfo(`y${i}`, 'float', undefined)),
          },
          opset,
        );
        const widths = (rows: number) => Array.from({ length: rows }, (_, r) => [3, 6, 2, 8][r % 4]!);
        const plan = planFor(m, (i) => ({
          symmetric: false,
          ...(mixed ? { bits: 8, rowBits: widths(dims[i]![1]!) } : {}),
        }));
        const result = quantizer.quantizeModel(m, plan);
        const names = dims.reduce((n, _, i) => n + `w${i}`.length, 0);
        const own = result.layers.reduce((n, l) => n + l.fileBytes - l.bytes, 0) + result.sharedBytes;
        return own - names;
      };
      const further = (overhead(24) - overhead(12)) / 12;
      assert.ok(further < 16, `opset ${opset}, ${mixed}: ${further} bytes a further weight`);
    }
});

test('the ramp and tables of a model are shared by all its layers', () => {
  const { model: six } = separateLayers([0, 1, 2, 3, 4, 5], 17);
  const { model: single } = separateLayers([0], 17);
  for (const bits of [2, 3, 4, 7]) {
    const of = (m: Model) =>
      quantizer.quantizeModel(
        m,
        planFor(m, () => ({ bits })),
      );
    assert.ok(of(six).sharedBytes < 1000, `${bits} bits: ${of(six).sharedBytes}`);
    // Shapes, counts and sizes differ.
    assert.ok(of(six).sharedBytes < of(single).sharedBytes + 6 * 50, `${of(six).sharedBytes}`);
  }
});

test('the transformer with rows of different widths: less than 1.2 % beside codes, scales, zero points and the rest', () => {
  const before = readModel(new Uint8Array(readFileSync(modelPath('transformer-text.onnx'))));
  const prepared = prepareModel(before);
  const plan = planFor(prepared, (i) => {
    const { rows } = findLayers(prepared).layers[i]!;
    const rowBits = Array.from({ length: rows }, (_, r) => 2 + ((r * 7 + i) % (3 + (i % 4))));
    return { bits: Math.max(...rowBits), rowBits, symmetric: false };
  });
  const result = new PrecisionAwareQuantizer(wasm, { keepValues: false }).quantizeModel(prepared, plan);
  const size = writeModel(result.model).length;
  const weights = result.layers.reduce((n, l) => n + 4 * l.params, 0);
  const rest = writeModel(prepared).length - weights;
  const payload = result.layers.reduce((n, { stored: s }) => n + s!.codes + s!.scales + s!.zeros, 0);
  const overhead = (size - payload - rest) / size;
  assert.ok(overhead < 0.012, `${overhead}`);
});

test.run();
