import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { chooseLosses, DamageMeter } from '../../src/curvature/damage.ts';
import { type Dataset, datasetFromArrays } from '../../src/data/index.ts';
import { DataError, UnsupportedError } from '../../src/errors.ts';
import { findLayers, Session } from '../../src/graph/index.ts';
import { type Coded, encode } from '../../src/grid/index.ts';
import { weightRows } from '../../src/grid/weight.ts';
import { makeNode, makeValueInfo, withGraph } from '../../src/onnx/index.ts';
import type { Model } from '../../src/onnx/model.ts';
import { tensor } from '../../src/tensor.ts';
import { backward } from '../../src/gradient/index.ts';
import { checkTunable, seedsOf, tune, type TuneInput } from '../../src/tune/index.ts';
import { TuneState } from '../../src/tune/state.ts';
import { loadWasm } from '../helpers.ts';
import { smallFeeds, smallModel } from '../jobs/small.ts';
import { throws } from '../throws.ts';

const wasm = await loadWasm();
const model = smallModel();
const data = (count: number) => datasetFromArrays(new Map(Object.entries(smallFeeds(count))));

function inputOf(of: Model, dataset: Dataset, given: Partial<TuneInput> = {}): TuneInput {
  const { layers } = findLayers(of);
  const weights = new Map(of.graph.initializers.map((t) => [t.name, t]));
  const float = (layer: (typeof layers)[number]) => weightRows(wasm, layer, weights.get(layer.weight)!.tensor());
  const spec = (bits: number) =>
    ({ bits, granularity: 'channel', symmetric: false, clip: 'mse', scaleType: 'float16' }) as const;
  const coded = new Map(
    layers.map((l): [string, Coded] => [l.weight, encode(wasm, float(l), l.rows, l.cols, 2, spec, 'nearest')]),
  );
  return {
    model: of,
    session: new Session(of, wasm),
    layers,
    losses: chooseLosses(of, false, 'auto'),
    dataset,
    batch: 64,
    samples: dataset.count,
    coded,
    steps: 60,
    seed: 0,
    ...given,
  };
}

/** Runs the original once: what is derived from its constants stays with the session. */
async function warm({ session, dataset, batch }: TuneInput): Promise<void> {
  for await (const { feeds } of dataset.batches(batch)) session.run(feeds);
}

async function rejects(work: Promise<unknown>, kind: Parameters<typeof throws>[1], message: RegExp): Promise<void> {
  const found = await work.then(
    () => () => {},
    (error: unknown) => () => {
      throw error;
    },
  );
  throws(found, kind, message);
}

test('held-out damage falls to a fraction, and that of data nobody has seen', async () => {
  const input = inputOf(model, data(256));
  await warm(input);
  const used = wasm.arena.used;
  const stages: string[] = [];
  const { coded, initializers, report } = await tune(wasm, {
    ...input,
    progress: (stage, done, total) => stages.push(`${stage} ${done} ${total}`),
  });
  assert.is(wasm.arena.used, used, 'memory was kept');
  assert.equal([...coded.keys()], [...input.coded.keys()]);
  assert.equal([...initializers.keys()].sort(), ['0.bias', '2.bias', '4.bias']);
  assert.is(report.tuning.samples + report.heldOut.samples, 256);
  assert.ok(report.kept > 0);
  assert.ok(report.heldOut.after < 0.8 * report.heldOut.before, JSON.stringify(report));
  assert.ok(report.tuning.after < 0.8 * report.tuning.before, JSON.stringify(report));
  assert.is(stages[0], 'tuning 0 60');
  assert.is(stages.at(-1), 'tuning 60 60');

  // Both parts, and data of another seed, measured from what was returned alone.
  const { session, losses } = input;
  const damage = (feeds: ReturnType<typeof smallFeeds>, c: TuneInput['coded'], vectors: typeof initializers) => {
    const state = new TuneState(wasm, model, input.layers, { coded: c });
    const meter = new DamageMeter(wasm, losses);
    meter.add(session.run(feeds), session.run(feeds, { weights: new Map([...state.tensors(), ...vectors]) }));
    return meter.read();
  };
  const image = smallFeeds(256).image!;
  const cut = report.tuning.samples;
  const part = (from: number, to: number) => ({
    image: tensor('float', [to - from, 24], (image.data as Float32Array).slice(24 * from, 24 * to)),
  });
  const near = (a: number, b: number) => assert.ok(Math.abs(a - b) < 1e-6 * b, `${a}, ${b}`);
  near(damage(part(0, cut), input.coded, new Map()), report.tuning.before);
  near(damage(part(cut, 256), input.coded, new Map()), report.heldOut.before);
  near(damage(part(0, cut), coded, initializers), report.tuning.after);
  near(damage(part(cut, 256), coded, initializers), report.heldOut.after);
  const other = smallFeeds(200, 99);
  assert.ok(damage(other, coded, initializers) < 0.9 * damage(other, input.coded, new Map()));
  session.dispose();
});

test('gradients of everything in training are the slopes of the damage', async () => {
  const input = inputOf(model, data(16), { batch: 8 });
  const start = new TuneState(wasm, model, input.layers, input);
  const weights = start.tensors();
  const reference = input.session.run(smallFeeds(16));
  const meter = (given: typeof weights) => {
    const m = new DamageMeter(wasm, input.losses);
    m.add(reference, input.session.run(smallFeeds(16), { weights: given }));
    return m.read();
  };
  const trace = input.session.trace(smallFeeds(16), weights);
  const seeds = seedsOf(
    wasm,
    input.losses,
    (o) => reference[o]!,
    (o) => input.session.value(trace, o),
    () => 0,
  );
  const made = backward(wasm, input.session, trace, seeds, () => {}, { wanted: start.names });
  input.session.release(trace);
  assert.ok(made.ok);
  if (!made.ok) return;
  assert.equal([...made.gradients.keys()].sort(), [...start.names].sort());
  for (const [name, gradient] of made.gradients) {
    const { dims, data: values } = weights.get(name)!;
    const largest = gradient.reduce((m, v) => Math.max(m, Math.abs(v)), 0);
    for (let i = 0; i < gradient.length; i += Math.ceil(gradient.length / 9)) {
      const at = (d: number) => {
        const moved = (values as Float32Array).slice();
        moved[i] = moved[i]! + d;
        return meter(new Map(weights).set(name, tensor('float', dims, moved)));
      };
      const slope = (at(1e-3) - at(-1e-3)) / 2e-3;
      assert.ok(Math.abs(gradient[i]! - slope) < 0.02 * largest, `${name} ${i}: ${gradient[i]}, ${slope}`);
    }
  }
  input.session.dispose();
});

test('the start is returned where nothing did less damage', async () => {
  const input = inputOf(model, data(64), { steps: 5, rates: { positions: 5, scales: 0.5, vectors: 5 } });
  const { coded, initializers, report } = await tune(wasm, input);
  assert.is(report.kept, 0);
  assert.equal(coded, input.coded);
  assert.is(initializers.size, 0);
  assert.is(report.heldOut.after, report.heldOut.before);
  assert.is(report.tuning.after, report.tuning.before);
  input.session.dispose();
});

test('the same seed gives the same codes, another seed others', async () => {
  const input = inputOf(model, data(64), { steps: 12 });
  const [one, two] = [await tune(wasm, input), await tune(wasm, input)];
  assert.equal(one, two);
  assert.ok(one.report.kept > 0);
  const other = await tune(wasm, { ...input, seed: 1 });
  assert.not.equal(one.initializers, other.initializers);
  input.session.dispose();
});

test('what progress throws ends it, and no memory is kept', async () => {
  const input = inputOf(model, data(64));
  await warm(input);
  const used = wasm.arena.used;
  const stop = new Error('stop');
  let error: unknown;
  try {
    await tune(wasm, {
      ...input,
      progress: (_, done) => {
        if (done === 7) throw stop;
      },
    });
  } catch (e) {
    error = e;
  }
  assert.is(error, stop);
  assert.is(wasm.arena.used, used);
  input.session.dispose();
});

test('a node that gradients cannot pass is named, by the check before anything else too', async () => {
  const { nodes } = model.graph;
  const rounded = withGraph(model, {
    nodes: [
      ...nodes.map((n) => (n.outputs[0] === 'logits' ? { ...n, outputs: ['raw'], wire: undefined } : n)),
      makeNode('Hardmax', ['raw'], ['logits'], {}, { name: 'hard' }),
    ],
    outputs: [makeValueInfo('logits', 'float', ['N', 12])],
  });
  const input = inputOf(rounded, data(32));
  const used = wasm.arena.used;
  await rejects(tune(wasm, input), UnsupportedError, /tuning: .*hard.*Hardmax has no gradient/);
  await rejects(checkTunable(wasm, input), UnsupportedError, /hard.*Hardmax has no gradient/);
  input.session.rest();
  assert.is(wasm.arena.used, used);
  await checkTunable(wasm, inputOf(model, data(32)));
  input.session.dispose();
});

test('too few samples, and steps that are no count', async () => {
  const one = inputOf(model, data(1));
  await rejects(
    tune(wasm, one),
    DataError,
    /tuning: expected 2 samples or more, some to tune on and 1 to decide by, found 1/,
  );
  const { report } = await tune(wasm, inputOf(model, data(2), { steps: 1 }));
  assert.equal([report.tuning.samples, report.heldOut.samples, report.batch], [1, 1, 1]);
  for (const steps of [0, 1.5, Number.NaN])
    await rejects(tune(wasm, { ...one, steps }), RangeError, /steps: expected a whole number >= 1/);
  one.session.dispose();
});

test('a weight behind a Transpose is trained through it', async () => {
  const [first] = model.graph.nodes;
  const behind = withGraph(model, {
    nodes: [
      makeNode('Transpose', ['0.weight'], ['turned']),
      makeNode('MatMul', ['image', 'turned'], ['product']),
      makeNode('Add', ['product', '0.bias'], [first!.outputs[0]!]),
      ...model.graph.nodes.slice(1),
    ],
  });
  const input = inputOf(behind, data(64), { steps: 20 });
  assert.ok(input.layers.some((l) => l.weight === '0.weight'));
  const { coded, report } = await tune(wasm, input);
  assert.ok(report.kept > 0);
  assert.not.equal(coded.get('0.weight'), input.coded.get('0.weight'));
  input.session.dispose();
});

test.run();
