import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type QuantizeOptions, quantize } from '../../src/jobs/quantize.ts';
import { writeModel } from '../../src/onnx/index.ts';
import { quantizeText } from '../../src/report/quantize.ts';
import { loadWasm } from '../helpers.ts';
import { smallData, smallModel } from './small.ts';

const wasm = await loadWasm();
const bytes = writeModel(smallModel());
const run = (options: QuantizeOptions) =>
  quantize(wasm, bytes, { name: 'small', batch: 16, calibration: smallData(60), ...options });

const first = await run({ bits: 5 });
const kept = first.kept()!;
const measured = { table: first.table, gains: first.gains };

test('a second budget from what was kept: the same file, nothing calibrated or coded again', async () => {
  for (const [bits, omitted] of [
    [4, false],
    [3.3, true],
  ] as const) {
    const stages = new Set<string>();
    const second = await run({ bits, ...measured, kept, progress: (stage) => stages.add(stage) });
    const anew = await run({ bits });
    assert.is(
      second.plan.layers.some((l) => l.rowBits?.includes(0)),
      omitted,
      'rows left out',
    );
    assert.ok(second.keptUsed && !anew.keptUsed && !first.keptUsed);
    assert.equal(second.bytes, anew.bytes);
    assert.equal({ ...second.report, seconds: 0 }, { ...anew.report, seconds: 0 });
    for (const stage of ['calibrating', 'measuring layers', 'gradients']) assert.not.ok(stages.has(stage), stage);
    assert.ok(stages.has('measuring allocations together') && stages.has('quantizing in sequence'));
    assert.is(wasm.arena.used, 0, 'memory was not freed');
  }
});

test('without codes, or without a calibration, the rest is of use, and the file the same', async () => {
  const anew = await run({ bits: 4 });
  for (const share of [0.9, 0.3]) {
    const less = first.kept(Math.floor(kept.length * share))!;
    assert.ok(less.length < kept.length);
    const stages = new Set<string>();
    const second = await run({ bits: 4, ...measured, kept: less, progress: (stage) => stages.add(stage) });
    assert.ok(second.keptUsed);
    assert.is(stages.has('calibrating'), share < 0.5);
    assert.equal(second.bytes, anew.bytes);
  }
});

test('what was kept of other samples, or is damaged, is not used; damage is said in the report', async () => {
  const anew = await run({ bits: 4, samples: 40 });
  const other = await run({ bits: 4, samples: 40, kept });
  assert.not.ok(other.keptUsed);
  assert.equal(other.bytes, anew.bytes);
  const damaged = await run({ bits: 5, kept: kept.subarray(0, kept.length >> 1) });
  assert.not.ok(damaged.keptUsed);
  assert.equal(damaged.bytes, first.bytes);
  assert.match(damaged.report.notes.join('\n'), /kept from an earlier job are not used: .*expected/);
  assert.match(quantizeText(damaged.report), /kept from an earlier job are not used/);
});

test('fewer than five samples: said loudly that none was held back', async () => {
  const { report } = await run({ bits: 4, calibration: smallData(4) });
  assert.match(report.notes[0]!, /^ONLY 4 calibration samples: none is held back/);
  assert.match(quantizeText(report), /^ONLY 4 calibration samples/m);
  assert.equal(first.report.notes, []);
});

test('how metrics rank the layers: those that cost nothing more, or all', async () => {
  const metrics = (of: typeof first) => of.report.metricRanks.map((r) => r.metric);
  assert.equal(metrics(first), ['jac', 'spectral']);
  const [jac] = first.report.metricRanks;
  if (!jac || 'refused' in jac) throw new Error('jac is measured');
  assert.is(jac.count, 6);
  assert.ok(jac.spearman! > 0.7, `${jac.spearman}`);
  assert.match(quantizeText(first.report), /How metrics ranked the layers[\s\S]*jac +6 /);
  assert.equal(metrics(await run({ bits: 5, ranks: true })), ['jac', 'fisher', 'gram', 'spectral']);
  const spectral = await run({ bits: 5, metric: 'spectral' });
  assert.equal(metrics(spectral), []);
});

test.run();
