import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { CurvatureQuantizationAnalyzer } from '../../src/analyzer.ts';
import type { Facts } from '../../src/analyzer/facts.ts';
import { readFacts, writeFacts } from '../../src/analyzer/facts-file.ts';
import { DataError } from '../../src/errors.ts';
import type { Layer } from '../../src/graph/layers.ts';
import { loadWasm, random } from '../helpers.ts';
import { smallData, smallModel } from '../jobs/small.ts';
import { throws } from '../throws.ts';

const wasm = await loadWasm();

/** What an analyzer learns of the small model, and the layers it is about. */
async function learnt(): Promise<{ facts: Facts; layers: readonly Layer[] }> {
  const analyzer = new CurvatureQuantizationAnalyzer(smallModel(), wasm, { widths: [2, 3, 8, 16], batch: 16 });
  await analyzer.calibrate(smallData(40));
  await analyzer.computeCurvature();
  for (const layer of analyzer.layers) for (const bits of [0, 3]) analyzer.rowErrors(layer, bits);
  await analyzer.measure(analyzer.optimizeBitAllocation(4));
  for (const spectrum of [...(await analyzer.computeSpectra()).values()].slice(1)) assert.ok(spectrum.condition > 1);
  assert.equal(analyzer.roundingNotes, []);
  analyzer.dispose();
  return { facts: analyzer.facts!, layers: analyzer.layers };
}

const { facts, layers } = await learnt();

test('facts come back as they were, to the bit', () => {
  const bytes = writeFacts(wasm, facts, layers)!;
  const found = readFacts(wasm, bytes, layers);
  assert.is(found.codes.length, layers.length * 4);
  assert.is(found.damages.size, 1);
  assert.equal(
    [...found.spectra.values()].map((s) => s.condition === undefined),
    [true, false, false],
  );
  assert.equal(found, facts);
  assert.is(wasm.arena.used, 0, 'memory was not freed');
});

test('a limit is kept: codes go first, then the calibration, then all', () => {
  const whole = writeFacts(wasm, facts, layers)!.length;
  const seen = new Set<string>();
  for (const limit of [
    whole,
    whole - 1,
    Math.floor(whole * 0.8),
    Math.floor(whole * 0.3),
    Math.floor(whole * 0.1),
    64,
  ]) {
    const bytes = writeFacts(wasm, facts, layers, limit);
    if (!bytes) {
      seen.add('nothing');
      continue;
    }
    assert.ok(bytes.length <= limit, `${bytes.length} of ${limit}`);
    const { calibration, codes, rowErrors } = readFacts(wasm, bytes, layers);
    assert.equal(rowErrors, facts.rowErrors);
    assert.equal(codes, facts.codes.slice(0, codes.length));
    seen.add(calibration ? (codes.length === facts.codes.length ? 'all' : 'some codes') : 'no calibration');
  }
  assert.equal([...seen].sort(), ['all', 'no calibration', 'nothing', 'some codes'].sort());
});

test('bytes cut off, changed, or of other layers: a DataError, or facts that fit the layers', () => {
  const bytes = writeFacts(wasm, facts, layers)!;
  throws(() => readFacts(wasm, bytes, layers.slice(1)), DataError, /no layer of weight/);
  throws(() => readFacts(wasm, new Uint8Array(), layers), DataError, /expected/);
  throws(() => readFacts(wasm, Uint8Array.of(...bytes, 0), layers), DataError, /the end, found 1 more/);
  const next = random(7);
  for (let i = 0; i < 40; i++) {
    const cut = bytes.subarray(0, Math.floor(next() * bytes.length));
    throws(() => readFacts(wasm, cut, layers), DataError, /expected/);
  }
  let refused = 0;
  for (let i = 0; i < 400; i++) {
    const changed = bytes.slice();
    for (let n = 0; n < 3; n++) changed[Math.floor(next() * 2000)] = Math.floor(next() * 256);
    try {
      const found = readFacts(wasm, changed, layers);
      for (const { weight, slice } of found.codes) {
        const layer = layers.find((l) => l.weight === weight)!;
        assert.is(slice.codes.length, layer.rows * layer.cols);
      }
    } catch (error) {
      assert.instance(error, DataError);
      refused++;
    }
  }
  assert.ok(refused > 100, `${refused} of 400 refused`);
  assert.is(wasm.arena.used, 0, 'memory was not freed');
});

test.run();
