import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Results, realTable, type Row, withReal } from '../../bench/real/readme.ts';
import { ROOT } from '../helpers.ts';

const test = suite('bench/real');
const read = (name: string) => readFileSync(join(ROOT, name), 'utf8');

/** Held-out damages of so few samples that are nearer to each other than this do not differ. */
const ALIKE = 1.25;

const row = (bits: number, of: Partial<Row> = {}): Row => ({
  model: 'a.onnx',
  what: 'things',
  calibrationSamples: 2,
  heldOutSamples: 2,
  bytes: 2_340_000,
  bits,
  averageBits: bits,
  plan: 'best',
  file: 123_456,
  uniformFile: 123_456,
  unit: 'KL',
  heldOut: 0.00123,
  uniformHeldOut: 0.5,
  judged: 0.1,
  uniformJudged: 0.2,
  readAlike: null,
  readRight: null,
  seconds: 1,
  ...of,
});

test('the table has a line a model and a column a budget', () => {
  const rows = [row(4), row(8, { heldOut: 0 }), row(8, { model: 'b.onnx', readAlike: 0.876, file: 999 })];
  assert.equal(realTable({ rows }).split('\n'), [
    '| model | original | damage in | 8 bits | 4 bits |',
    '|---|---|---|---|---|',
    '| a: things | 2.34 MB | KL | 123 kB, **0** (5.0e-1) | 123 kB, **1.2e-3** (5.0e-1) |',
    '| b: things | 2.34 MB | KL | 0.999 kB, **1.2e-3** (5.0e-1); 88 % read alike | - |',
  ]);
});

test('the last run reached every model, no plan does more than uniform widths of its bytes, and the README shows it', () => {
  const results = JSON.parse(read('bench/results/real.json')) as Results;
  assert.equal(results.failures, []);
  const models = new Set(results.rows.map((r) => r.model));
  assert.is(models.size, 12);
  assert.is(results.rows.length, 3 * models.size);
  for (const { model, bits, heldOut, uniformHeldOut } of results.rows)
    assert.ok(heldOut <= ALIKE * uniformHeldOut, `${model}, ${bits} bits: ${heldOut}, uniform ${uniformHeldOut}`);
  assert.is(withReal(read('README.md'), results), read('README.md'), 'run `npm run bench:real -- nothing`');
});

test.run();
