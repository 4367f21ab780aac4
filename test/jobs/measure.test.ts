import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { BitWidthOptimizer } from '../../src/allocate/optimizer.ts';
import { UsageError } from '../../src/errors.ts';
import { measureModel } from '../../src/jobs/measure.ts';
import { quantize } from '../../src/jobs/quantize.ts';
import { writeModel } from '../../src/onnx/index.ts';
import { loadWasm } from '../helpers.ts';
import { smallData, smallModel } from './small.ts';

const wasm = await loadWasm();
const bytes = writeModel(smallModel());
const settings = { name: 'small', calibration: smallData(48), batch: 16 };

test('one measurement serves any budget: the same files as without it', async () => {
  const { table, kept, quantizable, widths } = await measureModel(wasm, bytes, settings);
  for (const bits of [5, 3.5]) {
    const fresh = await quantize(wasm, bytes, { ...settings, bits });
    const again = await quantize(wasm, bytes, { ...settings, bits, table, kept });
    assert.ok(again.keptUsed);
    assert.equal(again.bytes, fresh.bytes);
    const plan = new BitWidthOptimizer(table, { widths }).optimize({ averageBits: bits });
    assert.ok((8 * plan.bytes) / quantizable <= bits);
  }
});

test('without data the table is a proxy and nothing is kept', async () => {
  const { table, kept, calibration } = await measureModel(wasm, bytes, { name: 'small' });
  assert.is(table.unit, 'proxy');
  assert.is(kept, undefined);
  assert.is(calibration, null);
});

test('a model without weights to quantize is refused', async () => {
  const none = writeModel({
    ...smallModel(),
    graph: { ...smallModel().graph, nodes: [], initializers: [], outputs: [] },
  });
  let error: unknown;
  await measureModel(wasm, none).catch((e: unknown) => {
    error = e;
  });
  assert.instance(error, UsageError);
});

test.run();
