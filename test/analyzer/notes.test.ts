import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { CurvatureQuantizationAnalyzer } from '../../src/analyzer.ts';
import { datasetFromArrays } from '../../src/data/index.ts';
import { makeInitializer, makeNode, makeValueInfo } from '../../src/onnx/index.ts';
import { tensor } from '../../src/tensor.ts';
import { loadWasm, normals, random } from '../helpers.ts';
import { model } from '../quantize/models.ts';

const wasm = await loadWasm();

test('layers whose inputs are always 0 are named; layers with inputs are not', async () => {
  const next = random(1);
  const w = (name: string, ...dims: number[]) =>
    makeInitializer(
      name,
      tensor(
        'float',
        dims,
        normals(
          dims.reduce((a, b) => a * b),
          next,
        ),
      ),
    );
  const m = model(
    {
      nodes: [
        makeNode('MatMul', ['x', 'a'], ['y']),
        makeNode('Mul', ['x', 'zero'], ['z']),
        makeNode('MatMul', ['z', 'b'], ['v']),
        makeNode('Add', ['y', 'v'], ['out']),
      ],
      initializers: [w('a', 16, 20), w('b', 16, 20), makeInitializer('zero', tensor('float', [], new Float32Array(1)))],
      inputs: [makeValueInfo('x', 'float', ['n', 16])],
      outputs: [makeValueInfo('out', 'float', ['n', 20])],
    },
    17,
  );
  const analyzer = new CurvatureQuantizationAnalyzer(m, wasm);
  assert.equal(analyzer.roundingNotes, []);
  await analyzer.calibrate(datasetFromArrays(new Map([['x', tensor('float', [9, 16], normals(144, next))]])));
  assert.equal(analyzer.roundingNotes.length, 1);
  assert.match(analyzer.roundingNotes[0]!, /^b: its inputs are always 0.*nearest codes$/);
  analyzer.dispose();
});

test.run();
