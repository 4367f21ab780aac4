import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { CurvatureQuantizationAnalyzer } from '../../src/analyzer.ts';
import type { Checkpoint, Measured } from '../../src/curvature/metric.ts';
import { loadWasm } from '../helpers.ts';
import { smallData, smallModel } from '../jobs/small.ts';

const wasm = await loadWasm();

async function table(checkpoint?: Checkpoint, metric = 'kl', stopAfter = Number.POSITIVE_INFINITY) {
  let batches = 0;
  const analyzer = new CurvatureQuantizationAnalyzer(smallModel(), wasm, {
    batch: 16,
    metric,
    checkpoint: checkpoint && {
      ...checkpoint,
      save: async (measured) => {
        await checkpoint.save(measured);
        if (++batches === stopAfter) throw new Error('interrupted');
      },
    },
  });
  try {
    await analyzer.calibrate(smallData(64));
    return await analyzer.costTable();
  } finally {
    analyzer.dispose();
  }
}

test('a run taken up after any batch makes the table of a run that was not interrupted', async () => {
  for (const metric of ['kl', 'gram']) {
    const whole = await table(undefined, metric);
    for (const stop of [1, 3]) {
      let kept: Measured | undefined;
      let error: unknown;
      const save = (measured: Measured) => {
        // As it comes back from a file.
        kept = JSON.parse(JSON.stringify(measured)) as Measured;
      };
      await table({ start: undefined, save }, metric, stop).catch((e: unknown) => {
        error = e;
      });
      assert.match((error as Error).message, /interrupted/);
      assert.is(kept!.batches, stop);
      let after = 0;
      const count = () => {
        after++;
      };
      assert.equal(await table({ start: kept, save: count }, metric), whole);
      assert.is(after, 4 - stop, 'batches that were measured are not run again');
    }
  }
});

test('what fits another model or metric is not taken up', async () => {
  const whole = await table();
  const sums = [[[1, 1]], [[1, 1]], [[1, 1]]];
  for (const start of [
    { batches: 2, sums },
    { batches: 2, sums: sums.map(() => [[1], [1], [1]]) },
    { batches: 2, sums: [] },
  ]) {
    let saved = 0;
    const save = () => {
      saved++;
    };
    assert.equal(await table({ start, save }), whole);
    assert.is(saved, 4);
  }
});

test.run();
