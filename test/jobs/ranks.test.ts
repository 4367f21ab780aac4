import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { CurvatureQuantizationAnalyzer } from '../../src/analyzer.ts';
import { metricRanks } from '../../src/jobs/ranks.ts';
import { loadWasm } from '../helpers.ts';
import { smallData, smallModel } from './small.ts';

const wasm = await loadWasm();

test('every metric against measured damage, and against itself', async () => {
  const analyzer = new CurvatureQuantizationAnalyzer(smallModel(), wasm, { widths: [2, 3, 4], batch: 16 });
  await analyzer.calibrate(smallData(48));
  const truth = await analyzer.tableOf('kl');
  const measured = truth.layers.flatMap((l) => l.choices).filter((c) => c.measured && c.bits !== 32).length;
  const rows = await metricRanks(analyzer, truth, ['kl', 'gram', 'spectral', 'no such metric']);
  assert.equal(
    rows.map((r) => r.metric),
    ['kl', 'gram', 'spectral'],
  );
  for (const row of rows) {
    if ('refused' in row) throw new Error(row.refused);
    assert.is(row.count, measured);
    assert.is(row.truth, 'kl');
  }
  const [kl, gram, spectral] = rows as Exclude<(typeof rows)[number], { refused: string }>[];
  assert.equal([kl!.spearman, kl!.kendall, kl!.medianRatio, kl!.ratioSpread], [1, 1, 1, 1]);
  assert.ok(gram!.spearman! > 0.7 && gram!.medianRatio! > 0.3 && gram!.medianRatio! < 3, JSON.stringify(gram));
  assert.is(spectral!.medianRatio, null);
  analyzer.dispose();
  assert.is(wasm.arena.used, 0, 'memory was not freed');
});

test('a metric that measured another one has the reason in place of figures', async () => {
  const analyzer = new CurvatureQuantizationAnalyzer(smallModel(), wasm, { widths: [3, 4], batch: 16 });
  await analyzer.calibrate(smallData(16));
  const table = await analyzer.tableOf('kl');
  const refused = { ...table, metric: 'kl (no jac: Foo node "n": Foo has no gradient)' };
  assert.equal(await metricRanks(analyzer, table, ['jac'], new Map([['jac', refused]])), [
    { metric: 'jac', refused: refused.metric },
  ]);
  analyzer.dispose();
});

test.run();
