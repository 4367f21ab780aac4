import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Histogram } from '../../src/calibrate/histogram.ts';
import { quantize } from '../../src/jobs/quantize.ts';
import { histogramIn } from '../../src/jobs/pictures-activations.ts';
import { histogramOf } from '../../src/jobs/pictures.ts';
import { writeModel } from '../../src/onnx/index.ts';
import { loadWasm, normals, random } from '../helpers.ts';
import { smallData, smallFeeds, smallModel } from './small.ts';

const wasm = await loadWasm();
const bytes = writeModel(smallModel());
const settings = { name: 'net', bits: 5, batch: 16, pictures: true } as const;
const sum = (list: readonly number[]) => list.reduce((a, b) => a + b, 0);

test('a histogram counts every value once, in intervals from the least to the largest', () => {
  const found = histogramOf(Float32Array.of(-1, 0, 0.5, 1), 4)!;
  assert.equal(found, { from: -1, to: 1, counts: [1, 0, 1, 2] });
  assert.is(histogramOf(Float32Array.of(2, 2)), null);
});

test('cells of activations come together without loss, over all that was seen', () => {
  const histogram = new Histogram();
  const values = normals(5000, random(3), 2);
  values.fill(0, 0, 100);
  histogram.add(values);
  const cells = histogram.read();
  const found = histogramIn(cells)!;
  assert.is(sum(found.counts), 4900);
  assert.ok(found.counts.length <= 64 && found.counts.length >= 32);
  assert.ok(found.from <= cells.min && found.to >= cells.max);
  const width = (found.to - found.from) / found.counts.length;
  for (const [i, n] of found.counts.entries()) {
    const own = values.filter((v) => v !== 0 && v >= found.from + i * width && v < found.from + (i + 1) * width);
    assert.is(n, own.length);
  }
  assert.is(histogramIn(new Histogram().read()), null);
});

test('inputs of layers on calibration data: their range, zeros, and no grid where they stay in float', async () => {
  const calibration = smallData(48);
  const { pictures } = await quantize(wasm, bytes, { ...settings, calibration });
  const { values, samples, left } = pictures!.activations!;
  assert.equal([values.map((v) => v.value), left], [['image', 'r0', 'r1'], 0]);
  assert.equal(
    values.map((v) => v.layers),
    [['0'], ['2'], ['4']],
  );
  const [image, r0] = values;
  const seen = (smallFeeds(48).image!.data as Float32Array).slice(0, samples * 24);
  assert.is(image!.min, Math.min(...seen));
  assert.is(image!.max, Math.max(...seen));
  assert.is(sum(image!.histogram!.counts), samples * 24);
  assert.is(image!.zeros, 0);
  assert.ok(r0!.zeros > 0.2 && r0!.zeros < 0.8 && r0!.min === 0);
  for (const v of values) assert.equal([v.grid, v.clipped], [null, null]);
});

test('values that are rounded have the grid of the report, and say what lies beyond it', async () => {
  const { pictures, report } = await quantize(wasm, bytes, { ...settings, calibration: smallData(48), activations: 8 });
  const rounded = report.activations!.values;
  assert.ok(rounded.length > 0);
  for (const { value, scale, zero } of rounded) {
    const found = pictures!.activations!.values.find((v) => v.value === value)!;
    assert.equal(found.grid, { scale, zero, low: 0, high: 255 });
    const [from, to] = [-zero * scale, (255 - zero) * scale];
    const inside = found.min >= from - scale / 2 && found.max <= to + scale / 2;
    assert.is(found.clipped! > 0, !inside, value);
    assert.ok(found.clipped! < 0.05);
  }
});

test('the grid of most rows, and the share of weights beyond their own row’s', async () => {
  for (const calibration of [smallData(48), undefined]) {
    const { pictures, report } = await quantize(wasm, bytes, { ...settings, calibration });
    for (const [i, { levels, levelBits, levelShare, clipped }] of pictures!.layers.entries()) {
      const { bits, rows } = report.layers[i]!;
      const most = rows?.filter((r) => r.bits > 0).reduce((a, b) => (b.rows > a.rows ? b : a));
      assert.is(levelBits, most?.bits ?? bits);
      assert.is(levels.length, 2 ** levelBits!);
      assert.ok(levels.every((v, j) => j === 0 || v > levels[j - 1]!));
      assert.ok(levelShare! > 0 && levelShare! <= 1);
      assert.ok(clipped! >= 0 && clipped! < 0.1, `${clipped}`);
    }
    assert.is(pictures!.activations === null, calibration === undefined);
  }
});

test('plans that were measured have intervals: of the mean over samples', async () => {
  const { report } = await quantize(wasm, bytes, { ...settings, calibration: smallData(48) });
  for (const a of report.allocations) assert.ok(a.damageError! > 0 && a.damageError! < 2 * a.damage!, a.name);
  const mse = await quantize(wasm, bytes, { ...settings, calibration: smallData(48), loss: 'mse' });
  for (const a of mse.report.allocations) assert.is(a.damageError, null);
});

test.run();
