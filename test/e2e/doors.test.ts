import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ROOT } from '../helpers.ts';
import { network, npz, samples } from './command.ts';

type Door = typeof import('../../src/index.ts');
type NodeDoor = typeof import('../../src/node.ts');

const dist = (name: string) => join(ROOT, 'dist', name);
if (!existsSync(dist('index.js'))) throw new Error('dist/index.js is missing: run `npm run build` first');
const door = (await import(pathToFileURL(dist('index.js')).href)) as Door;
const nodeDoor = (await import(pathToFileURL(dist('node.js')).href)) as NodeDoor;

test('the whole job through the built neutral door: bytes in, bytes out', async () => {
  const wasm = await door.Wasm.create(readFileSync(dist('kernels.wasm')));
  const calibration = door.datasetFromArrays(door.readNpz(npz(samples(64))));
  const model = network();
  const { bytes, plan, report } = await door.quantize(wasm, model, { bits: 4.5, calibration });
  assert.ok(bytes.length < model.length / 2);
  assert.equal(door.parsePlan(JSON.parse(JSON.stringify(plan))), plan);
  assert.is(report.output.bytes, bytes.length);
  assert.is(
    door.inspectModel(bytes).operators.every((o) => o.supported),
    true,
  );
  const outputs = await door.runModel(wasm, door.readModel(bytes), samples(4));
  assert.equal(outputs.get('logits')!.dims, [4, 12]);
});

test('the four classes and the registries', () => {
  for (const name of [
    'CurvatureQuantizationAnalyzer',
    'BitWidthOptimizer',
    'PrecisionAwareQuantizer',
    'QuantizationValidator',
    'registerMetric',
    'registerObjective',
    'registerCurvature',
  ] as const)
    assert.type(door[name], 'function', name);
});

test("Node's door is the neutral one and more, and finds its kernels", async () => {
  for (const [name, value] of Object.entries(door)) assert.is((nodeDoor as Record<string, unknown>)[name], value, name);
  assert.is(typeof (await nodeDoor.loadKernels()).k.gemm, 'function');
  const model = await nodeDoor.readModelFile(join(ROOT, 'models', 'mnist-mlp.onnx'));
  assert.equal(
    model.graph.inputs.map((i) => i.name),
    ['image'],
  );
});

test('from sources, the kernels are the ones built in the checkout', async () => {
  const { loadKernels } = await import('../../src/node.ts');
  assert.is(typeof (await loadKernels()).k.gemm, 'function');
});

test.run();
