import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { UsageError } from '../../src/errors.ts';
import { type QuantizeOptions, quantize } from '../../src/jobs/quantize.ts';
import { readModel, writeModel } from '../../src/onnx/index.ts';
import { loadWasm } from '../helpers.ts';
import { smallData, smallFeeds, smallModel } from './small.ts';
import { runIn } from '../quantize/run.ts';
import { Session } from '../../src/graph/index.ts';

const test = suite('jobs/quantize, rows');
const wasm = await loadWasm();
const bytes = writeModel(smallModel());
const run = (options: QuantizeOptions) =>
  quantize(wasm, bytes, { name: 'small', calibration: smallData(512), batch: 64, ...options });
const { table, gains, ...auto } = await run({ bits: 4 });
const again = (options: QuantizeOptions) => run({ table, gains, ...options });

async function refused(pattern: RegExp, work: Promise<unknown>) {
  let error: unknown;
  await work.catch((e: unknown) => {
    error = e;
  });
  assert.instance(error, UsageError);
  assert.match((error as Error).message, pattern);
}

test('rows of different widths win where they do less damage, within the budget', async () => {
  const { plan, report } = auto;
  assert.ok(plan.layers.some((l) => l.rowBits));
  assert.ok(report.allocations[0]!.rows);
  assert.ok(plan.averageBits <= 4);
  const best = Math.min(...report.allocations.filter((a) => !a.rows).map((a) => a.damage!));
  assert.ok(report.damage.together! < best, `${report.damage.together} against ${best} by layer`);
  assert.is(report.rowsNote, null);
  for (const [i, layer] of report.layers.entries()) {
    const { rowBits, bits } = plan.layers[i]!;
    assert.is(layer.bits, bits);
    assert.is(layer.rows?.reduce((n, r) => n + r.rows, 0) ?? null, rowBits?.length ?? null);
    assert.ok(layer.damage! >= 0);
  }
  const sum = report.layers.reduce((n, l) => n + l.damage!, 0);
  assert.ok(Math.abs(sum - plan.predicted) <= 1e-9 * sum, 'the layers’ damages sum to the prediction');
});

test('the file: bytes as counted by part; the same outputs in onnxruntime as here', async () => {
  const { parts } = auto.report.output;
  assert.is(
    Object.values(parts).reduce((a, b) => a + b, 0),
    auto.bytes.length,
  );
  assert.is(parts.codes + parts.scales + parts.zeros + parts.order, auto.plan.bytes);
  assert.ok(parts.order > 0);
  const feeds = smallFeeds(8);
  const session = new Session(readModel(auto.bytes), wasm);
  const own = session.run(feeds).logits!.data as Float32Array;
  session.dispose();
  for (const runtime of ['node', 'web'] as const) {
    const { logits } = await runIn(runtime, auto.bytes, feeds);
    logits!.forEach((v, i) => assert.ok(Math.abs(v - own[i]!) <= 1e-4 * (1 + Math.abs(v)), `${runtime} ${i}`));
  }
});

test('--unit layer leaves rows alone, --unit rows has no plan by layer but uniform ones', async () => {
  const layer = await again({ bits: 4, unit: 'layer' });
  assert.ok(layer.report.allocations.every((a) => !a.rows));
  assert.is(layer.gains, gains);
  const rows = await again({ bits: 4, unit: 'rows' });
  assert.ok(rows.report.allocations.every((a) => /^(rows|uniform|spectral)/.test(a.name)));
  assert.equal(rows.bytes, auto.bytes);
});

test('gains at hand serve another budget', async () => {
  const fresh = await run({ bits: 3.2 });
  const reused = await again({ bits: 3.2 });
  assert.equal(reused.bytes, fresh.bytes);
  assert.equal(reused.gains, fresh.gains);
  const short = new Map([...gains!].map(([weight, of]) => [weight, of.slice(1)]));
  await refused(
    /gains of '0.weight': expected 40, one for each row, or 80, found 79/,
    run({ bits: 4, table, gains: short }),
  );
});

test('a plan with rows read back makes the same file', async () => {
  const given = await run({ plan: JSON.parse(JSON.stringify(auto.plan)) });
  assert.equal(given.bytes, auto.bytes);
});

test('a budget of bytes is kept by the file', async () => {
  for (const budgetBytes of [4700, 5600, 6321]) {
    const { report } = await again({ budgetBytes, unit: 'rows' });
    assert.ok(report.output.bytes <= budgetBytes, `${report.output.bytes} of ${budgetBytes}`);
  }
});

test('pinned, excluded and tied layers keep one width', async () => {
  const { plan } = await again({ bits: 10, unit: 'rows', pins: new Map([['0', 6]]), exclude: ['4'] });
  assert.equal([plan.layers[0]!.bits, plan.layers[0]!.rowBits, plan.layers[2]!.bits], [6, undefined, 32]);
  const tied = await again({ bits: 4.5, unit: 'rows', ties: [['0', '2']] });
  assert.is(tied.plan.layers[0]!.rowBits, undefined);
  assert.is(tied.plan.layers[0]!.bits, tied.plan.layers[1]!.bits);
});

test('why there are no rows is said', async () => {
  const why = async (options: QuantizeOptions) => (await run({ bits: 8, ...options })).report.rowsNote;
  assert.is(await why({ format: 'qdq' }), 'no width for every row: format qdq has one width a weight');
  assert.match((await why({ calibration: undefined }))!, /no calibration data/);
  assert.match((await why({ granularity: 'tensor', bits: 4 }))!, /one scale a tensor/);
  assert.match((await why({ objective: 'max', bits: 4 }))!, /objective max is none of single rows/);
  await refused(/--unit rows: format qdq has one width a weight/, run({ bits: 8, format: 'qdq', unit: 'rows' }));
});

test('metrics are ranked by the plans measured together', () => {
  for (const { plans, correlation } of auto.report.ranks) {
    assert.ok(plans >= 4);
    assert.ok(correlation >= -1 && correlation <= 1);
  }
  assert.ok(auto.report.ranks.some((r) => r.metric === 'kl'));
});

test.run();
