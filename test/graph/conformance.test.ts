import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { loadWasm, ROOT } from '../helpers.ts';
import { runFolder } from './folders.ts';

/** The ONNX project's node test cases, where they are at hand. `conformance.json` lists those that must pass. */
const CASES = process.env.ONNX_NODE_TESTS ?? join(ROOT, '..', 'shared', 'onnx-node-tests');
const required = JSON.parse(readFileSync(join(ROOT, 'test', 'graph', 'conformance.json'), 'utf8')) as string[];

test('the list is sorted and without doubles', () => {
  assert.equal(required, [...new Set(required)].sort());
});

if (existsSync(CASES)) {
  test('every case that passed before passes', async () => {
    const wasm = await loadWasm();
    const before = wasm.arena.used;
    const counts = { passed: 0, failed: 0, unsupported: 0 };
    const passed: string[] = [];
    const failures: string[] = [];
    const must = new Set(required);
    const names = readdirSync(CASES).filter((n) => existsSync(join(CASES, n, 'model.onnx')));
    for (const name of names.sort()) {
      const outcome = runFolder(join(CASES, name), wasm);
      counts[outcome.status]++;
      if (outcome.status === 'passed') passed.push(name);
      else if (must.has(name)) failures.push(`${name}: ${outcome.reason}`);
      if (process.env.CONFORMANCE === outcome.status) console.log(name, 'reason' in outcome ? outcome.reason : '');
    }
    console.log(
      `onnx node cases: ${JSON.stringify(counts)}, ${passed.filter((n) => !must.has(n)).length} passed beyond the list`,
    );
    assert.is(failures.join('\n'), '');
    assert.is(wasm.arena.used, before, 'memory was not freed');
    const there = new Set(names);
    assert.equal(
      required.filter((n) => !there.has(n)),
      [],
      'cases of the list that are not there',
    );
  });
}

test.run();
