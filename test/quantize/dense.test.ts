import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Model } from '../../src/onnx/model.ts';
import { PrecisionAwareQuantizer } from '../../src/quantize/index.ts';
import { DATA_TYPES } from '../../src/tensor.ts';
import { loadWasm } from '../helpers.ts';
import { checkDecoding } from './decode.ts';
import { CASES, planFor, separateLayers } from './models.ts';

// Decoding takes one of two forms, below opset 18 and from it on; Slice takes one of two below 10 and from it on.
for (const opset of [7, 18]) {
  test(`dense at opset ${opset}: every width, granularity and kind decodes exactly in node and web`, () =>
    checkDecoding('dense', opset, 'float16', opset < 18 ? 'even' : 'odd'));
}

for (const opset of [9, 10, 11, 13, 17, 21, 25]) {
  test(`dense at opset ${opset}: every width decodes exactly in node and web`, () =>
    checkDecoding('dense', opset, opset % 4 === 1 ? 'float' : 'float16', 'few'));
}

for (const opset of [7, 18])
  test(`dense-bytes at opset ${opset}: 16 bits decode exactly in node and web`, () =>
    checkDecoding('dense-bytes', opset, opset === 7 ? 'float' : 'float16', opset === 7 ? 'even' : 'odd'));

test('dense-bytes: no Cast from integers of 16 bits, and as many bytes as dense', async () => {
  const quantizer = new PrecisionAwareQuantizer(await loadWasm());
  const { model } = separateLayers(
    CASES.map((_, i) => i),
    17,
  );
  for (const granularity of ['tensor', 'channel', 5] as const)
    for (const symmetric of [true, false]) {
      const written = (format: string) =>
        quantizer.quantizeModel(
          model,
          planFor(model, () => ({ bits: 16, granularity, symmetric, format })),
        );
      const [plain, bytewise] = [written('dense'), written('dense-bytes')];
      const types = (m: Model) => new Set(m.graph.initializers.map((t) => t.dataType));
      assert.ok(types(plain.model).has(DATA_TYPES.int16));
      assert.not.ok(types(bytewise.model).has(DATA_TYPES.int16) || types(bytewise.model).has(DATA_TYPES.uint16));
      const stored = (m: Model, kinds: readonly number[]) =>
        m.graph.initializers.reduce((n, t) => n + (kinds.includes(t.dataType) ? t.tensor().data.byteLength : 0), 0);
      const found = stored(bytewise.model, [DATA_TYPES.int8, DATA_TYPES.uint8]);
      assert.is(found, stored(plain.model, [DATA_TYPES.int16]));
      assert.is(
        found,
        bytewise.layers.reduce((n, { stored: s }) => n + s!.codes + s!.zeros, 0),
      );
      for (const [i, layer] of bytewise.layers.entries()) {
        assert.equal(layer.stored, plain.layers[i]!.stored);
        assert.equal(layer.values, plain.layers[i]!.values);
      }
    }
});

test.run();
