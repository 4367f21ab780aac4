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
    for (const title of ['Curvature', 'Operators', 'Sensitivity: damage of one layer alone', 'How to make it again'])
      assert.ok(titles.includes(title), title);
    assert.is(titles.includes('Bits, layer by layer'), calibration !== undefined);
    for (const { title, table } of page.sections)
      if (table && !/^(Operators|Left|How)/.test(title)) assert.is(table.rows.length, report.layers.length, title);
    assert.not.match(analyzeHtml({ report, command: 'again' }), /NaN|undefined|Infinity/);
  }
});

test.run();
