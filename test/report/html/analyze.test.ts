import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { analyzeModel } from '../../../src/jobs/analyze.ts';
import { writeModel } from '../../../src/onnx/index.ts';
import { analyzeHtml, analyzePage } from '../../../src/report/html/analyze.ts';
import { smallData, smallModel } from '../../jobs/small.ts';
import { loadWasm } from '../../helpers.ts';

const wasm = await loadWasm();
const bytes = writeModel(smallModel());

test('a row a layer in every table, whatever was measured', async () => {
  for (const calibration of [undefined, smallData(48)]) {
    const report = await analyzeModel(wasm, bytes, { name: 'net.onnx', calibration, batch: 16 });
    const page = analyzePage({ report, command: 'kappa analyze net.onnx' });
    const titles = page.sections.map((s) => s.title);
    assert.ok(
      titles.includes('Curvature') && titles.includes('Operators') && titles.includes('Damage of one layer alone'),
    );
    assert.is(titles.includes('Bits'), calibration !== undefined);
    for (const { title, table } of page.sections)
      if (table && title !== 'Operators') assert.is(table.rows.length, report.layers.length, title);
    assert.not.match(analyzeHtml({ report, command: 'again' }), /NaN|undefined|Infinity/);
  }
});

test.run();
