import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { datasetFromArrays } from '../../src/data/index.ts';
import { UnsupportedError, UsageError } from '../../src/errors.ts';
import { evaluateModels } from '../../src/jobs/evaluate.ts';
import { type QuantizeOptions, quantize } from '../../src/jobs/quantize.ts';
import { makeNode, makeValueInfo, readModel, withGraph, writeModel } from '../../src/onnx/index.ts';
import { tensor } from '../../src/tensor.ts';
import { loadWasm } from '../helpers.ts';
import { throws } from '../throws.ts';
import { smallData, smallFeeds, smallModel } from './small.ts';

const wasm = await loadWasm();
const bytes = writeModel(smallModel());
const calibration = smallData(400);
/** What plans are judged by: the last fifth. */
const image = smallFeeds(400).image!;
const heldBack = datasetFromArrays(
  new Map([['image', tensor('float', [80, 24], (image.data as Float32Array).slice(24 * 320))]]),
);
const run = (options: Partial<QuantizeOptions>) =>
  quantize(wasm, bytes, { name: 'small', calibration, batch: 32, bits: 3, ...options });
const plain = await run({});
const tuned = await run({ tune: 100, table: plain.table, gains: plain.gains });

async function refused(work: Promise<unknown>, kind: Parameters<typeof throws>[1], message: RegExp): Promise<void> {
  const found = await work.then(
    () => () => {},
    (error: unknown) => () => {
      throw error;
    },
  );
  throws(found, kind, message);
}

test('less damage in as many bytes; the damage told is the file’s', async () => {
  const { report } = tuned;
  const { tuning } = report;
  assert.is(plain.report.tuning, null);
  assert.ok(tuning && tuning.kept > 0 && tuning.steps === 100);
  assert.ok(tuning!.heldOut.after < tuning!.heldOut.before);
  assert.is(tuning!.heldOut.samples + tuning!.tuning.samples, 400);
  assert.is(report.chosen, `${plain.report.chosen}, tuned`);
  assert.equal(report.allocations.slice(1), plain.report.allocations);
  assert.ok(report.damage.together! < plain.report.damage.together!);
  assert.ok(tuned.bytes.length <= plain.bytes.length);
  assert.equal(tuned.plan, plain.plan);
  const { reference } = await evaluateModels(wasm, readModel(tuned.bytes), readModel(bytes), heldBack, {});
  assert.ok(Math.abs(reference!.kl! - report.damage.together!) < 1e-5 * reference!.kl!);
  assert.ok(Math.abs(reference!.kl! - tuning!.heldOut.after) < 1e-5 * reference!.kl!);
});

test('the same bytes from the same seed', async () => {
  const again = await run({ tune: 100, table: plain.table, gains: plain.gains });
  assert.equal(again.bytes, tuned.bytes);
  assert.not.equal(plain.bytes, tuned.bytes);
});

test('a budget of bytes, and a largest drop, are kept', async () => {
  const budgetBytes = plain.bytes.length;
  const fitted = await run({ bits: undefined, budgetBytes, tune: 100, table: plain.table, gains: plain.gains });
  assert.ok(fitted.report.tuning!.kept > 0);
  assert.ok(fitted.bytes.length <= budgetBytes);
  const maxDrop = { measure: 'kl', value: 0.05 } as const;
  const dropped = await run({ bits: undefined, maxDrop, tune: 100, table: plain.table, gains: plain.gains });
  assert.ok(dropped.report.tuning !== null);
  const { reference } = await evaluateModels(wasm, readModel(dropped.bytes), readModel(bytes), calibration, {});
  assert.ok(reference!.kl! <= 0.05);
});

test('it ends with its signal, and reports its stage', async () => {
  const stop = new AbortController();
  const progress = (stage: string, done: number) => {
    if (stage === 'tuning' && done === 3) stop.abort(new Error('enough'));
  };
  const work = run({ tune: 100, table: plain.table, gains: plain.gains, progress, signal: stop.signal });
  await refused(work, Error, /^enough$/);
});

test('no data, no steps, a bound: refused before anything runs; an operator without a gradient by its name', async () => {
  await refused(run({ tune: 5, calibration: undefined }), UsageError, /--tune: needs calibration data/);
  await refused(run({ tune: -1 }), UsageError, /--tune: expected a whole number >= 0, found -1/);
  await refused(run({ tune: 5, bits: undefined, maxError: 1 }), UsageError, /--tune: .*--max-error/);
  const small = smallModel();
  const stuck = withGraph(small, {
    nodes: [
      ...small.graph.nodes.map((n) => (n.outputs[0] === 'logits' ? { ...n, outputs: ['raw'], wire: undefined } : n)),
      makeNode('Hardmax', ['raw'], ['logits'], {}, { name: 'hard' }),
    ],
    outputs: [makeValueInfo('logits', 'float', ['N', 12])],
  });
  const stages = new Set<string>();
  const options: QuantizeOptions = { calibration, bits: 4, tune: 5, progress: (stage) => stages.add(stage) };
  await refused(quantize(wasm, writeModel(stuck), options), UnsupportedError, /hard.*Hardmax has no gradient/);
  assert.equal([...stages], ['calibrating']);
});

test.run();
