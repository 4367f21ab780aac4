import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { coreDoor } from '../../scripts/size.mjs';
import { datasetFromArrays } from '../../src/data/index.ts';
import { quantize } from '../../src/jobs/quantize.ts';
import { makeNode, readModel } from '../../src/onnx/index.ts';
import { withGraph } from '../../src/onnx/make.ts';
import { COMMON } from '../../src/ops/common.ts';
import { DATA_TYPES, tensor } from '../../src/tensor.ts';
import { network, npz, samples } from '../e2e/command.ts';
import { failure, loadWasm, modelPath, ROOT } from '../helpers.ts';

type Core = typeof import('../../src/core.ts');

interface Bounds {
  readonly goal: Readonly<Record<string, number>>;
  readonly bounds: Readonly<Record<'core' | 'job' | 'kernels', number>>;
}

const size = suite<{ folder: string }>('the core door as it is built');
const door = await coreDoor();
const kernels = readFileSync(join(ROOT, 'build', 'kernels.wasm'));

size.before.each((context) => {
  context.folder = mkdtempSync(join(tmpdir(), 'kappa-core-'));
  writeFileSync(join(context.folder, 'package.json'), '{"type":"module"}');
});
size.after.each(({ folder }) => rmSync(folder, { recursive: true, force: true }));

/** The door with those files alone. */
async function open(folder: string, files: Iterable<string>): Promise<Core> {
  for (const name of files) writeFileSync(join(folder, name), door.contents.get(name)!);
  return (await import(pathToFileURL(join(folder, 'core.js')).href)) as Core;
}

size('is no larger than its bounds', () => {
  const { bounds } = JSON.parse(readFileSync(join(ROOT, 'bench', 'size.json'), 'utf8')) as Bounds;
  for (const part of ['core', 'job', 'kernels'] as const) {
    const { gzip } = door.sizes[part]!;
    assert.ok(gzip <= bounds[part], `${part}: ${gzip} bytes, at most ${bounds[part]} wanted: see npm run size`);
  }
});

size('holds nothing of text, tuning, demonstrations and the command', () => {
  const rooms = Object.keys({ ...door.sizes.core.rooms, ...door.sizes.job.rooms });
  assert.ok(rooms.includes('src/ops') && rooms.includes('src/allocate'));
  for (const room of rooms) assert.not.match(room, /^src\/(?:report|tune|cli|node)|cli-table3|echarts|fflate/);
});

size('does the whole job with what it says it loads, to the same bytes', async ({ folder }) => {
  const { core, job, report } = door.stages;
  const small = await open(folder, [...core, ...job, ...report]);
  const calibration = datasetFromArrays(samples(64));
  const model = network();
  const found = await small.quantize(await small.Wasm.create(kernels), model, { bits: 4.5, calibration });
  const own = await quantize(await loadWasm(), model, { bits: 4.5, calibration });
  assert.equal(Buffer.from(found.bytes), Buffer.from(own.bytes));
  assert.equal({ ...found.report, seconds: 0 }, { ...own.report, seconds: 0 });
});

size('loads what else is asked for, with the same results', async ({ folder }) => {
  const small = await open(folder, door.contents.keys());
  const wasm = await small.Wasm.create(kernels);
  const own = await loadWasm();
  const model = network();
  const data = datasetFromArrays(samples(64));
  for (const options of [
    { bits: 5, calibration: data, evaluation: data, activations: 8 },
    { maxDrop: { measure: 'kl', value: 0.05 }, calibration: data, tune: 2 },
    { budgetBytes: 4000, dataFree: true, samples: 16 },
  ] as const) {
    const found = await small.quantize(wasm, model, options);
    const expected = await quantize(own, model, options);
    assert.equal(Buffer.from(found.bytes), Buffer.from(expected.bytes));
    assert.equal({ ...found.report, seconds: 0 }, { ...expected.report, seconds: 0 });
  }
});

size('has every operator of the committed models', () => {
  for (const name of ['mnist-mlp', 'resnet18-fashion', 'transformer-text']) {
    const { graph } = readModel(readFileSync(modelPath(`${name}.onnx`)));
    for (const { domain, opType } of graph.nodes) assert.ok(COMMON.get(domain)?.has(opType), `${name}: ${opType}`);
  }
});

size('reads arrays of an archive', async ({ folder }) => {
  const small = await open(folder, door.contents.keys());
  const arrays = samples(8);
  const found = await small.loadNpz(npz(arrays));
  assert.equal([...found.keys()], [...arrays.keys()]);
  for (const [name, t] of arrays) assert.equal(found.get(name), t);
  const error = await failure(small.loadNpz(new Uint8Array(4), 'broken.npz'));
  assert.instance(error, small.DataError);
  assert.match(error.message, /^broken\.npz/);
});

size('says how rare operators are loaded, and loads them', async ({ folder }) => {
  const small = await open(folder, door.contents.keys());
  const wasm = await small.Wasm.create(kernels);
  const base = readModel(network());
  const value = (name: string) => ({ name, elemType: DATA_TYPES.float, dims: [3] });
  const model = withGraph(base, {
    nodes: [makeNode('CumSum', ['x', 'axis'], ['y'])],
    initializers: [],
    inputs: [value('x'), { name: 'axis', elemType: DATA_TYPES.int64, dims: [] }],
    outputs: [value('y')],
    valueInfo: [],
  });
  const error = await failure(Promise.resolve().then(() => new small.Session(model, wasm)));
  assert.instance(error, small.UnsupportedError);
  assert.match(error.message, /CumSum.*await loadOperators\(model\)/);
  await small.loadOperators(model);
  const session = new small.Session(model, wasm);
  const axis = tensor('int64', [], BigInt64Array.of(0n));
  const { y } = session.run({ x: tensor('float', [3], Float32Array.of(1, 2, 3)), axis });
  assert.equal([...(y!.data as Float32Array)], [1, 3, 6]);
});

size.run();
