import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { datasetFromArrays } from '../../src/data/index.ts';
import { DataError } from '../../src/errors.ts';
import { runModel } from '../../src/jobs/run.ts';
import { readModel } from '../../src/onnx/index.ts';
import { type Tensor, tensor } from '../../src/tensor.ts';
import { loadWasm } from '../helpers.ts';
import { failure } from '../random.ts';
import { graph, join8, len, model, node, valueInfo } from '../onnx/build.ts';

const wasm = await loadWasm();
const relu = readModel(model());

const floats = (dims: number[], values: number[]): Tensor => tensor('float', dims, Float32Array.from(values));

async function refused(promise: Promise<unknown>, message: RegExp): Promise<void> {
  try {
    await promise;
  } catch (error) {
    assert.instance(error, DataError);
    assert.match((error as Error).message, message);
    return;
  }
  assert.unreachable(`expected ${message}`);
}

test('as it is: labels that are no input are passed over, other arrays are not', async () => {
  const x = floats([3, 2], [-1, 2, -3, 4, 5, -6]);
  const labels = tensor('int64', [3], new BigInt64Array(3));
  const made = await runModel(
    wasm,
    relu,
    new Map([
      ['x', x],
      ['labels', labels],
    ]),
  );
  assert.equal([...made.keys()], ['y']);
  assert.equal(made.get('y')!.dims, [3, 2]);
  assert.equal([...(made.get('y')!.data as Float32Array)], [0, 2, 0, 4, 5, 0]);
  await refused(
    runModel(
      wasm,
      relu,
      new Map([
        ['x', x],
        ['other', x],
      ]),
    ),
    /other/,
  );
  await refused(runModel(wasm, relu, new Map()), /x/);
});

test('in pieces: the same as at once, whatever the size of the last', async () => {
  const x = floats([5, 2], [-1, 2, -3, 4, 5, -6, 7, 8, -9, 10]);
  const whole = await runModel(wasm, relu, new Map([['x', x]]));
  for (const batch of [1, 2, 5, 9]) assert.equal(await runModel(wasm, relu, new Map([['x', x]]), { batch }), whole);
});

test('a dataset: its samples in their order, in batches of 16 or as told', async () => {
  const x = floats(
    [37, 2],
    Array.from({ length: 74 }, (_, i) => (i % 3) - 1 + i / 100),
  );
  const whole = await runModel(wasm, relu, new Map([['x', x]]));
  const labels = tensor('int64', [37], new BigInt64Array(37));
  const data = datasetFromArrays(
    new Map([
      ['x', x],
      ['labels', labels],
    ]),
    'some.npz',
  );
  for (const batch of [undefined, 1, 5, 64]) {
    const seen: number[] = [];
    const progress = (_: string, done: number) => seen.push(done);
    assert.equal(await runModel(wasm, relu, data, { batch, progress }), whole);
    assert.is(seen.length, Math.ceil(37 / (batch ?? 16)));
    assert.is(seen.at(-1), 37);
  }
  const state = runModel(wasm, relu, data, { state: new Map([['x', 'y']]) });
  assert.match((await failure(state)).message, /state: expected arrays, found a dataset/);
  const two = structuredClone({
    ...relu,
    graph: { ...relu.graph, inputs: [{ ...relu.graph.inputs[0]!, dims: [2, 2] }] },
  });
  await refused(runModel(wasm, two, data), /some\.npz: 37 samples, but the model takes 2 at once: expected a multiple/);
});

test('pieces need inputs and outputs whose first axis counts the samples', async () => {
  const empty = floats([0, 2], []);
  await refused(runModel(wasm, relu, new Map([['x', empty]]), { batch: 2 }), /first axes count the same samples/);
  // y = Flatten(x) at axis 0: one row, whatever the samples
  const flat = readModel(
    model(
      graph(
        len(1, node('Flatten', ['x'], ['z'], len(5, Uint8Array.of(10, 4, 97, 120, 105, 115, 24, 0, 160, 1, 2)))),
        len(12, valueInfo('z', 1, [1, 'M'])),
      ),
    ),
  );
  const x = floats([4, 2], [1, 2, 3, 4, 5, 6, 7, 8]);
  await refused(runModel(wasm, flat, new Map([['x', x]]), { batch: 2 }), /output 'z' is \[1,4\] for 2 samples/);
  assert.equal((await runModel(wasm, flat, new Map([['x', x]]))).get('z')!.dims, [1, 8]);
  for (const batch of [0, 1.5, Number.NaN]) {
    let thrown: unknown;
    await runModel(wasm, relu, new Map([['x', x]]), { batch }).catch((error: unknown) => {
      thrown = error;
    });
    assert.instance(thrown, RangeError);
  }
});

test('state is carried from piece to piece, and its last value returned', async () => {
  // sum = x + h, so that h after the pieces is the sum of all rows; y = x * scale.
  const parts = [
    len(1, node('Add', ['x', 'h'], ['hn'])),
    len(1, node('Mul', ['x', 'scale'], ['y'])),
    len(11, valueInfo('x', 1, ['N', 2])),
    len(11, valueInfo('h', 1, [1, 2])),
    len(11, valueInfo('scale', 1, [])),
    len(12, valueInfo('y', 1, ['N', 2])),
    len(12, valueInfo('hn', 1, [1, 2])),
  ];
  const running = readModel(model(join8(...parts, len(2, 'g'))));
  const arrays = new Map([
    ['x', floats([3, 2], [1, 2, 3, 4, 5, 6])],
    ['h', floats([1, 2], [10, 20])],
    ['scale', floats([], [2])],
  ]);
  const made = await runModel(wasm, running, arrays, { state: new Map([['h', 'hn']]) });
  assert.equal([...(made.get('hn')!.data as Float32Array)], [19, 32]);
  assert.equal([...(made.get('y')!.data as Float32Array)], [2, 4, 6, 8, 10, 12]);
  await refused(runModel(wasm, running, arrays, { state: new Map([['g', 'hn']]) }), /no input 'g'/);
  await refused(runModel(wasm, running, arrays, { state: new Map([['h', 'z']]) }), /no output 'z'/);
  arrays.delete('h');
  await refused(runModel(wasm, running, arrays, { state: new Map([['h', 'hn']]) }), /'h' to start from/);
});

test.run();
