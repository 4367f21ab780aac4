/** examples/node as a person runs it. */
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { inspectModel } from '../../src/jobs/inspect.ts';
import { modelPath, ROOT } from '../helpers.ts';

const SCRIPT = join(ROOT, 'examples', 'node', 'quantize.mjs');

function run(args: readonly string[]): Promise<{ code: number | string; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [SCRIPT, ...args], (error, stdout, stderr) => {
      resolve({ code: error ? (error.code ?? 'killed') : 0, stdout, stderr });
    });
  });
}

test('the script makes the MNIST network small', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'kappa-example-'));
  try {
    const out = join(folder, 'small.onnx');
    const { code, stdout, stderr } = await run([modelPath('mnist-mlp.onnx'), modelPath('mnist-calib.npz'), out, '4']);
    assert.is(code, 0, stderr);
    const bytes = readFileSync(out);
    const before = readFileSync(modelPath('mnist-mlp.onnx')).length;
    assert.ok(bytes.length < before / 7, `${bytes.length} of ${before} bytes`);
    assert.ok(stdout.endsWith(`small.onnx: ${before} -> ${bytes.length} bytes\n`), stdout);
    assert.match(stdout, /: \d+ weights in \d+ bytes\n/);
    assert.match(stdout, /damage, measured with all layers together: [\d.e-]+ kl\n/);
    assert.ok(inspectModel(bytes).operators.every(({ supported }) => supported));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test('it says in a line what is wrong, and ends with the code of its kind', async () => {
  const out = join(tmpdir(), 'kappa-example-none.onnx');
  const none = await run([]);
  assert.is(none.code, 2);
  assert.match(none.stderr, /^usage: /);
  const text = await run([modelPath('README.md'), modelPath('mnist-calib.npz'), out]);
  assert.is(text.code, 3);
  assert.match(text.stderr, /^[^\n]*README\.md: not an ONNX model[^\n]*\n$/);
  const budget = await run([modelPath('mnist-mlp.onnx'), modelPath('mnist-calib.npz'), out, '0.1']);
  assert.is(budget.code, 2, budget.stderr);
});

test.run();
