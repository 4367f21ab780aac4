import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { sweepHtml, sweepPage } from '../../../src/report/html/sweep.ts';
import type { SweepPoint, SweepReport } from '../../../src/report/types.ts';

const point = (kind: SweepPoint['kind'], budget: number, damage: number): SweepPoint => ({
  kind,
  budget,
  averageBits: budget,
  bytes: 1000 * budget,
  bits: [budget],
  accuracy: 0.9,
  crossEntropy: 0.3,
  damage,
  damageError: damage / 10,
  flips: 0.01,
});

const report: SweepReport = {
  kappa: '0.1.0',
  model: { name: 'net.onnx', bytes: 10_000, quantizable: 2000, layers: 1 },
  calibration: { samples: 64, measured: 64, judged: 64 },
  samples: 128,
  unit: 'kl',
  accuracy: 0.95,
  crossEntropy: 0.2,
  points: [2, 4, 8].flatMap((b) => [
    point('guided', b, 1 / 4 ** b),
    point('uniform', b, 3 / 4 ** b),
    point('uniform, per tensor', b, b === 8 ? 0 : 9 / 4 ** b),
  ]),
  seconds: 1,
};

test('a row a point, a line a kind, what uniform widths cost more', () => {
  const page = sweepPage({ report, command: 'again' });
  const [damage, accuracy] = page.sections;
  assert.is(damage!.table!.rows.length, 9);
  assert.ok(
    page.figures.some(({ value }) => value === '3.00x'),
    JSON.stringify(page.figures),
  );
  assert.is((accuracy!.pictures![0]!.draw(1000).option.series as unknown[]).length, 3);
  assert.not.match(sweepHtml({ report, command: 'again' }), /NaN|undefined|Infinity/);
});

test('without labels there is no picture of accuracy', () => {
  const points = report.points.map((p) => ({ ...p, accuracy: null, crossEntropy: null }));
  const page = sweepPage({ report: { ...report, accuracy: null, crossEntropy: null, points }, command: 'again' });
  assert.not(page.sections.some((s) => s.title === 'Accuracy'));
});

test('files that lose a great deal leave room for the others, and the page says so', () => {
  const points = report.points.map((p) => (p.kind === 'uniform, per tensor' ? { ...p, accuracy: 0.1 } : p));
  const accuracy = sweepPage({ report: { ...report, points }, command: 'again' }).sections.find(
    (s) => s.title === 'Accuracy',
  )!;
  assert.match(accuracy.text!.join(), /^3 of 9 files/);
  const drawn = accuracy.pictures![0]!.draw(1000).option.series as { data: number[][] }[];
  assert.ok(drawn.flatMap((s) => s.data).every(([, v]) => v! > 80));
});

test('errors of outputs that are no distributions have their own name', () => {
  const html = sweepHtml({ report: { ...report, unit: 'nse' }, command: 'again' });
  assert.match(html, /relative squared error/);
  assert.not.match(html, /KL ×/);
});

test.run();
