import { existsSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { checkCase } from '../../src/jobs/check.ts';
import { CONFORMANCE, type Conformance } from '../../scripts/conformance.ts';
import { caseFolders, readCase } from '../../src/node.ts';
import { loadWasm, ROOT } from '../helpers.ts';
import { fixed32, graph, join8, len, model, node, tensorProto, valueInfo } from '../onnx/build.ts';

/** The ONNX project's node test cases, where they are at hand. `conformance.json` lists those that must pass. */
const CASES = process.env.ONNX_NODE_TESTS ?? join(ROOT, '..', 'shared', 'onnx-node-tests');
const required = (JSON.parse(readFileSync(CONFORMANCE, 'utf8')) as Conformance).passed;
const wasm = await loadWasm();

const relu = model(graph());
const floats = (name: string, dims: number[], values: number[]) =>
  tensorProto(name, 1, dims, len(4, new Uint8Array(Float32Array.from(values).buffer)));
const set = (expected: Uint8Array) => [
  { name: 's', inputs: [floats('x', [2, 2], [1, -2, 3, -4])], outputs: [expected] },
];

test('a case that passes', () => {
  const found = checkCase(wasm, { name: 'c', model: relu, sets: set(floats('y', [2, 2], [1.0005, 0, 3, 0])) });
  assert.is(found.status, 'passed');
  assert.ok(Math.abs(found.maxAbs! - 0.0005) < 1e-6);
  assert.is(found.reason, null);
});

test('cases that fail, and why', () => {
  for (const [expected, reason] of [
    [floats('y', [2, 2], [1.002, 0, 3, 0]), /element 0: expected 1\.00\d*, found 1$/],
    [floats('y', [2, 2], [1, Number.NaN, 3, 0]), /element 1: expected NaN, found 0$/],
    [floats('y', [2, 2], [Number.POSITIVE_INFINITY, 0, 3, 0]), /element 0: expected Infinity, found 1$/],
    [floats('y', [4], [1, 0, 3, 0]), /expected shape \[4\], found \[2,2\]/],
    [tensorProto('y', 11, [2, 2], len(9, new Uint8Array(32))), /expected type double, found float/],
  ] as const) {
    const found = checkCase(wasm, { name: 'c', model: relu, sets: set(expected) });
    assert.is(found.status, 'failed');
    assert.match(found.reason!, reason);
  }
  assert.match(checkCase(wasm, { name: 'c', model: relu, sets: [] }).reason!, /no test_data_set/);
  assert.is(checkCase(wasm, { name: 'c', model: Uint8Array.of(1, 2), sets: [] }).status, 'failed');
  assert.is(checkCase(wasm, { name: 'c', model: relu, sets: set(fixed32(1, 2)) }).status, 'failed');
});

test("the tolerance is the caller's", () => {
  const of = { name: 'c', model: relu, sets: set(floats('y', [2, 2], [1.0005, 0, 3, 0])) };
  assert.is(checkCase(wasm, of, { rtol: 1e-5 }).status, 'failed');
  assert.is(checkCase(wasm, of, { rtol: 0, atol: 1e-3 }).status, 'passed');
});

test('what is not run is unsupported', () => {
  const unknown = join8(
    len(1, node('NoSuchOperator', ['x'], ['y'])),
    len(2, 'g'),
    len(11, valueInfo('x')),
    len(12, valueInfo('y')),
  );
  const found = checkCase(wasm, { name: 'c', model: model(unknown), sets: [] });
  assert.is(found.status, 'unsupported');
  assert.match(found.reason!, /NoSuchOperator/);
});

test('the list is sorted and without doubles', () => {
  assert.equal(required, [...new Set(required)].sort());
});

if (existsSync(CASES)) {
  test('every case of the ONNX suite that passed before passes', async () => {
    const before = wasm.arena.used;
    const counts = { passed: 0, failed: 0, unsupported: 0 };
    const failures: string[] = [];
    const must = new Set(required);
    let beyond = 0;
    const seen = new Set<string>();
    for (const folder of await caseFolders([CASES])) {
      const name = basename(folder);
      seen.add(name);
      const { status, reason } = checkCase(wasm, await readCase(folder));
      counts[status]++;
      if (status === 'passed' && !must.has(name)) beyond++;
      if (status !== 'passed' && must.has(name)) failures.push(`${name}: ${reason}`);
    }
    console.log(`onnx node cases: ${JSON.stringify(counts)}, ${beyond} passed beyond the list`);
    assert.is(failures.join('\n'), '');
    assert.is(wasm.arena.used, before, 'memory was not freed');
    assert.equal(
      required.filter((n) => !seen.has(n)),
      [],
      'cases of the list that are not there',
    );
  });
}

test.run();
