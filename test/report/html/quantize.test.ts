import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { quantize } from '../../../src/jobs/quantize.ts';
import type { PageSection } from '../../../src/report/html/page.ts';
import { quantizeHtml, quantizePage } from '../../../src/report/html/quantize.ts';
import { writeModel } from '../../../src/onnx/index.ts';
import { loadWasm } from '../../helpers.ts';
import { smallData, smallModel } from '../../jobs/small.ts';

const wasm = await loadWasm();
const bytes = writeModel(smallModel());
const titled = (sections: readonly PageSection[], text: string) => sections.find((s) => s.title.includes(text));

test('a report of a real job: every part is there, and its figures are the report’s', async () => {
  const { report, pictures } = await quantize(wasm, bytes, {
    name: 'net.onnx',
    bits: 5,
    batch: 16,
    calibration: smallData(48),
    evaluation: smallData(32),
    pictures: true,
  });
  const page = quantizePage({ report, pictures: pictures!, command: 'kappa quantize net.onnx --bits 4.5' });
  for (const title of [
    'What is known',
    'against size',
    'Bits, layer',
    'Sensitivity',
    'grid they are',
    'Singular',
    'Bytes',
    'Held-out',
    'again',
  ])
    assert.ok(titled(page.sections, title), title);
  assert.is(titled(page.sections, 'Bits, layer')!.table!.rows.length, report.layers.length);
  assert.is(titled(page.sections, 'against size')!.table!.rows.length, report.allocations.length);
  const html = quantizeHtml({ report, pictures: pictures!, command: 'again' });
  const json = /<script type="application\/json" id="data">(.*)<\/script>/s.exec(html)![1]!;
  assert.equal(JSON.parse(json), JSON.parse(JSON.stringify({ ...report, pictures })));
  assert.not.match(html, /NaN|undefined|Infinity/);
});

test('without data the page says so and draws what there is', async () => {
  const { report, pictures } = await quantize(wasm, bytes, { name: 'net.onnx', bits: 5, pictures: true });
  const page = quantizePage({ report, pictures: pictures!, command: 'again' });
  assert.is(titled(page.sections, 'Predicted'), undefined);
  assert.is(titled(page.sections, 'Held-out'), undefined);
  assert.ok(titled(page.sections, 'grid they are')!.pictures!.length > 0);
});

test.run();
