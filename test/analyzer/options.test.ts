import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { floatBytes, inFloat, scaleOf, withoutNonFinite } from '../../src/analyzer/layers.ts';
import { DEFAULT_ROUNDING, widthsOf } from '../../src/analyzer/options.ts';
import { findLayers } from '../../src/graph/index.ts';
import { ROUNDINGS } from '../../src/grid/index.ts';
import { makeInitializer, makeNode, makeValueInfo } from '../../src/onnx/index.ts';
import { tensor } from '../../src/tensor.ts';
import { loadWasm, normals, random } from '../helpers.ts';
import { model } from '../quantize/models.ts';
import { throws } from '../throws.ts';

const wasm = await loadWasm();

test('widths: those named, or all between the ends, each once and ascending', () => {
  assert.equal(widthsOf({}), [2, 3, 4, 5, 6, 7, 8]);
  assert.equal(widthsOf({ minBits: 3, maxBits: 16 }), [3, 4, 5, 6, 7, 8, 16]);
  assert.equal(widthsOf({ widths: [8, 4, 8], minBits: 2 }), [4, 8]);
  throws(() => widthsOf({ widths: [4, 9] }), RangeError, /widths: expected some of 2, 3.*\[4,9\]/);
  throws(() => widthsOf({ minBits: 5, maxBits: 4 }), RangeError, /5\.\.4/);
  throws(() => widthsOf({ widths: [] }), RangeError);
});

test('the rounding taken unless told is one there is', () => {
  assert.ok(Object.hasOwn(ROUNDINGS, DEFAULT_ROUNDING.rounding));
});

test('layers: bytes in float, alpha, and weights that hold no number', () => {
  const bad = normals(16 * 20, random(1));
  bad[7] = Number.NaN;
  const m = model(
    {
      nodes: [
        makeNode('Gemm', ['x', 'a'], ['y'], { alpha: { type: 'float', value: -0.5 } }),
        makeNode('MatMul', ['y', 'b'], ['z']),
      ],
      initializers: [
        makeInitializer('a', tensor('float', [20, 16], normals(320, random(2)))),
        makeInitializer('b', tensor('float', [16, 20], bad)),
      ],
      inputs: [makeValueInfo('x', 'float', ['n', 20])],
      outputs: [makeValueInfo('z', 'float', ['n', 20])],
    },
    17,
  );
  const { layers, left } = withoutNonFinite(wasm, m, findLayers(m));
  assert.equal(
    layers.map((l) => [l.weight, floatBytes(l), scaleOf(l)]),
    [['a', 1280, 0.5]],
  );
  assert.equal(inFloat(layers[0]!), { bits: 32, damage: 0, bytes: 1280, measured: true });
  assert.ok(left.some((l) => l.weight === 'b' && /NaN/.test(l.reason)));
});

test.run();
