import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { quantize } from '../../src/jobs/quantize.ts';
import { loadKernels } from '../../src/node.ts';
import { dataset, modelBytes } from '../demonstration.ts';

test('the same model, data and settings give the same file, plan and figures by 1, 2 and 3 threads', async () => {
  const run = async (threads: number) => {
    const wasm = await loadKernels({ threads });
    assert.is(wasm.threads, threads);
    const calibration = dataset('mnist-calib', 96);
    const made = await quantize(wasm, modelBytes('mnist-mlp'), { name: 'mlp', bits: 4.1, calibration, batch: 48 });
    wasm.dispose();
    const { bytes, plan, table, report } = made;
    return { bytes, text: JSON.stringify({ plan, table, output: report.output }) };
  };
  const one = await run(1);
  for (const threads of [2, 3]) {
    const found = await run(threads);
    assert.is(Buffer.compare(found.bytes, one.bytes), 0, `file by ${threads} threads`);
    assert.is(found.text, one.text, `plan and table by ${threads} threads`);
  }
});

test.run();
