import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  END,
  type FileRow,
  type FilesReport,
  filesTable,
  filesText,
  START,
  withFiles,
} from '../../bench/files/report.ts';
import { FLOAT_BOUND, INTEGER_BOUND } from '../../src/verify/runtime.ts';
import { ROOT } from '../helpers.ts';
import { throws } from '../throws.ts';

const json = (path: string) => JSON.parse(readFileSync(join(ROOT, path), 'utf8'));

const ROW: FileRow = {
  model: 'mnist-mlp.onnx',
  setting: 'any, 4.1 bits',
  format: 'dense',
  averageBits: 4.0834,
  bytes: 125_000,
  originalBytes: 940_000,
  overhead: 0.0123,
  kl: 1e-4,
  runtimes: [
    {
      runtime: 'onnxruntime-web',
      required: true,
      wrong: null,
      difference: 2.4e-7,
      originalDifference: 1e-7,
      defaultDifference: null,
      load: 2.345,
      speed: { 1: 1.004, 16: 0.981 },
    },
    {
      runtime: 'onnxruntime-node',
      required: true,
      wrong: 'running the written file: no kernel for it',
      difference: null,
      originalDifference: null,
      defaultDifference: null,
      load: null,
      speed: {},
    },
  ],
};

const report = (...files: FileRow[]): FilesReport => ({
  versions: { 'onnxruntime-web': '1.30.0' },
  rounds: 7,
  files,
  refused: [{ model: 'm.onnx', setting: 's', reason: 'too few bits' }],
});

test('a row: what each runtime did with the file', () => {
  const text = filesText(report(ROW));
  assert.match(
    text,
    /mnist-mlp\.onnx +any, 4\.1 bits +dense +7\.52x +1\.23 % +2\.35 +1\.00 +0\.98 +- +- +2e-7 +running the written file: no kernel for it/,
  );
  assert.match(text, /refused: m\.onnx, s: too few bits/);
});

test('the table for the README: models that are shown, and what all come to', () => {
  const fine = { ...ROW, runtimes: ROW.runtimes.slice(0, 1) };
  const table = filesTable(report(fine, { ...fine, model: 'other.onnx' }));
  assert.match(table, /^\| mnist-mlp \| any, 4\.1 bits \| dense \| 7\.52x \|/m);
  assert.not.match(table, /other/);
  assert.match(table, /Of all 2 files of 2 models, every one agrees in every runtime it is written for/);
  assert.match(filesTable(report(ROW)), /1 runs went wrong/);
  const widths = table
    .split('\n')
    .filter((line) => line.startsWith('|'))
    .map((line) => line.split('|').length);
  assert.is(new Set(widths).size, 1);
  throws(() => withFiles('no markers', report(ROW)), Error, /expected the markers/);
  assert.is(withFiles(`a\n${END}`.replace(END, `${START}\nold\n${END}`), report(fine)).includes('old'), false);
});

test("the README's table is the one of the last run, in which nothing went wrong", () => {
  const last = json('bench/results/files.json') as FilesReport;
  const text = readFileSync(join(ROOT, 'README.md'), 'utf8');
  assert.is(withFiles(text, last), text);
  for (const { model, setting, format, runtimes } of last.files) {
    assert.equal(
      runtimes.map((r) => r.runtime),
      ['onnxruntime-web', 'onnxruntime-node'],
    );
    for (const { runtime, required, wrong, difference, originalDifference } of runtimes.filter((r) => r.required)) {
      assert.is(wrong, null, `${model}, ${setting}, ${runtime}: ${wrong}`);
      const bound = Math.max(format.includes('integer') ? INTEGER_BOUND : FLOAT_BOUND, 4 * originalDifference!);
      assert.ok(required && difference! <= bound, `${model}, ${setting}, ${runtime}: ${difference}`);
    }
  }
});

test.run();
