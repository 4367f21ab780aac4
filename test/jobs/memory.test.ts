import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { MemoryError } from '../../src/errors.ts';
import { compareModels } from '../../src/jobs/compare.ts';
import { evaluateModels } from '../../src/jobs/evaluate.ts';
import { quantize } from '../../src/jobs/quantize.ts';
import { runModel } from '../../src/jobs/run.ts';
import { datasetFromArrays, loadKernels, makeNode, readModel, type Tensor, tensor } from '../../src/node.ts';
import { network, samples } from '../e2e/command.ts';
import { graph, modelOf } from '../graph/build.ts';
import { failure, normals, random } from '../helpers.ts';

const MIB = 2 ** 20;
const WIDTH = 160;
/** 33 layers of 100 KiB. */
const model = network([...Array(33).fill(WIDTH), 10]);
const budget = 3 * MIB;
const data = samples(24, WIDTH, 10);
const calibration = () => datasetFromArrays(data, 'drawn');

const roomy = await loadKernels();
const tight = await loadKernels({ maxBytes: budget });
const inBudget = () => assert.ok(tight.arena.memory.buffer.byteLength <= budget);
const bits = ({ data }: Tensor) => Buffer.from(data.buffer as ArrayBuffer, data.byteOffset, data.byteLength);

test('quantizing under a budget that the weights do not fit into gives the same file, plan and report', async () => {
  const run = async (wasm: typeof roomy) => {
    const { bytes, plan, table, report } = await quantize(wasm, model, {
      name: 'deep',
      bits: 5,
      calibration: calibration(),
      widths: [4, 8],
      rounding: 'nearest',
      batch: 8,
    });
    return { bytes, text: JSON.stringify({ plan, table, output: report.output }) };
  };
  const expected = await run(roomy);
  const found = await run(tight);
  inBudget();
  assert.is(Buffer.compare(found.bytes, expected.bytes), 0);
  assert.is(found.text, expected.text);
  assert.ok(roomy.arena.peak > budget, `${roomy.arena.peak}`);
});

test('running and judging under it give the same bits', async () => {
  const small = (await quantize(roomy, model, { name: 'deep', bits: 4.5 })).bytes;
  const [original, quantized] = [model, small].map((bytes) => readModel(bytes));
  const x = new Map([['x', data.get('x')!]]);
  for (const m of [original!, quantized!]) {
    const [expected, found] = [await runModel(roomy, m, x), await runModel(tight, m, x)];
    assert.is(Buffer.compare(bits(found.get('logits')!), bits(expected.get('logits')!)), 0);
  }
  const judge = (wasm: typeof roomy) => evaluateModels(wasm, quantized!, original!, calibration());
  assert.equal(await judge(tight), await judge(roomy));
  const compare = (wasm: typeof roomy) => compareModels(wasm, original!, quantized!, datasetFromArrays(x, 'x'));
  assert.equal(await compare(tight), await compare(roomy));
  inBudget();
  assert.is(tight.arena.used, 0);
});

test('where a batch does not fit a smaller one is taken, unless one was asked for', async () => {
  const wide = modelOf(
    graph(
      ['x:float[N,1,64,64]'],
      ['y'],
      [
        makeNode('Conv', ['x', 'w'], ['c'], { pads: { type: 'ints', value: [1, 1, 1, 1] } }),
        makeNode('GlobalAveragePool', ['c'], ['y']),
      ],
      { w: tensor('float', [64, 1, 3, 3], normals(576, random(1))) },
    ),
  );
  const images = tensor('float', [16, 1, 64, 64], normals(16 * 4096, random(2)));
  const narrow = await loadKernels({ maxBytes: 8 * MIB });
  const judge = (wasm: typeof roomy, batch?: number) =>
    evaluateModels(wasm, wide, wide, datasetFromArrays(new Map([['x', images]]), 'x'), { batch });
  assert.is((await judge(narrow)).samples, 16);
  const error = await failure(judge(narrow, 16));
  assert.instance(error, MemoryError);
  assert.match(error.message, /^Conv.*wasm memory.*smaller batch/);
  const report = await compareModels(narrow, wide, wide, datasetFromArrays(new Map([['x', images]]), 'x'));
  assert.is(report.samples, 16);
});

test.run();
