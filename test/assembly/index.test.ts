import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ROOT } from '../helpers.ts';

const module = new WebAssembly.Module(readFileSync(join(ROOT, 'build', 'kernels.wasm')));

test('the module exports exactly what the interface Kernels declares', () => {
  const body = ['kernels.ts', 'kernels-codes.ts', 'kernels-elementwise.ts', 'kernels-gradient.ts', 'kernels-integer.ts']
    .map((file) => readFileSync(join(ROOT, 'src', 'wasm', file), 'utf8'))
    .map((source) => source.slice(source.search(/export interface \w*Kernels /)))
    .join('\n');
  const declared = Array.from(body.matchAll(/^ {2}([a-z_0-9]+)(?:\(|: [A-Z])/gm), (match) => match[1]!);
  assert.ok(declared.length > 80, `${declared.length} names found`);
  assert.equal(
    WebAssembly.Module.exports(module)
      .map((e) => e.name)
      .sort(),
    declared.sort(),
  );
});

test('the module imports its memory and nothing else', () => {
  assert.equal(WebAssembly.Module.imports(module), [{ module: 'env', name: 'memory', kind: 'memory' }]);
});

/** Kernels tested through the room they serve. */
const ELSEWHERE: Record<string, string> = {
  fit_rows: join('grid', 'clip.test.ts'),
  relaxed: join('wasm', 'features.test.ts'),
};

test('every kernel has a test that calls it', () => {
  const names = WebAssembly.Module.exports(module).map((e) => e.name);
  const folder = join(ROOT, 'test', 'assembly');
  const files = readdirSync(folder).filter((f) => f.endsWith('.test.ts'));
  const text = files.map((f) => readFileSync(join(folder, f), 'utf8')).join('\n');
  // Elementwise kernels are called by composed names: add, add_scalar, add_row, add_col and so on.
  const composed = /^r?(add|sub|mul|div|min|max)(_scalar|_row|_col)?$/;
  const missing = names.filter(
    (name) => name !== 'heap_base' && !composed.test(name) && !(name in ELSEWHERE) && !text.includes(`k.${name}`),
  );
  assert.equal(missing, []);
  for (const file of Object.values(ELSEWHERE)) assert.ok(existsSync(join(ROOT, 'test', file)), file);
});

test.run();
