import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { runtimesSection } from '../../../src/report/html/runtimes.ts';
import type { RuntimeResult, VerificationReport } from '../../../src/verify/runtime.ts';

const result: RuntimeResult = {
  runtime: 'onnxruntime-web',
  version: '1.2.3',
  status: 'agrees',
  reason: null,
  required: true,
  difference: 2e-7,
  bound: 1e-4,
  originalDifference: 1e-7,
  defaultDifference: null,
  load: { written: 30, original: 10, speed: 1 / 3 },
  run: { written: 2, original: 4, speed: 2 },
  memory: { written: 3_000_000, original: 9_000_000 },
};
const report = (runtimes: readonly RuntimeResult[]): VerificationReport => ({
  samples: 4,
  from: 'held-out data',
  note: null,
  runtimes,
});

test('a row a runtime: verdict, difference, times and memory beside the original’s', () => {
  const { table } = runtimesSection(report([result]))!;
  assert.equal(table!.rows, [
    ['onnxruntime-web 1.2.3', 'agrees', '2.0e-7', '1e-4', '30', '10', '2', '4', '3.00 MB', '9.00 MB'],
  ]);
  assert.is(table!.columns.length, table!.rows[0]!.length);
});

test('without memory there are no columns for it; without a report there is nothing', () => {
  const skipped: RuntimeResult = {
    ...result,
    status: 'skipped',
    reason: 'it is not there',
    load: null,
    run: null,
    memory: null,
  };
  const { table, text } = runtimesSection(report([skipped]))!;
  assert.not(table!.columns.includes('memory'));
  assert.is(table!.columns.length, table!.rows[0]!.length);
  assert.match(text!.join(' '), /onnxruntime-web: it is not there/);
  assert.is(runtimesSection(undefined), undefined);
});

test('what is no error is said all the same', () => {
  const differs: RuntimeResult = { ...result, status: 'differs', required: false, defaultDifference: 1e-2 };
  const text = runtimesSection(report([differs]))!.text!.join(' ');
  assert.match(text, /not what the file was written for/);
  assert.match(text, /with its default options .* 1\.0e-2/);
});

test.run();
