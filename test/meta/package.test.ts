import { existsSync, readFileSync, statSync } from 'node:fs';
import { join, normalize } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ROOT } from '../helpers.ts';
import { read } from './sources.ts';

/** A file, or what there is under each condition. */
type Entry = string | { readonly [condition: string]: Entry };

interface Package {
  name: string;
  version: string;
  license: string;
  type: string;
  engines: { node: string };
  bin: Record<string, string>;
  exports: Record<string, Entry>;
  files: string[];
  scripts: Record<string, string>;
  devDependencies: Record<string, string>;
  [key: string]: unknown;
}

const pkg = JSON.parse(read('package.json')) as Package;

function filesOf(entry: Entry): string[] {
  return typeof entry === 'string' ? [entry] : Object.values(entry).flatMap(filesOf);
}

const targets = [...Object.values(pkg.bin), ...Object.values(pkg.exports).flatMap(filesOf)].map((path) =>
  normalize(path),
);

/** `npm test` builds first; a test file run alone may not have. */
const built = existsSync(join(ROOT, 'dist', 'cli.js'));

test('whoever installs the package installs nothing else', () => {
  for (const key of [
    'dependencies',
    'peerDependencies',
    'optionalDependencies',
    'bundleDependencies',
    'bundledDependencies',
  ])
    assert.equal(Object.keys((pkg[key] ?? {}) as object), [], key);
  for (const key of ['preinstall', 'install', 'postinstall']) assert.is(pkg.scripts[key], undefined, key);
});

test('exact versions, an ES module, a licence, Node 20', () => {
  for (const [name, version] of Object.entries(pkg.devDependencies))
    assert.match(version, /^\d+\.\d+\.\d+(-[\w.]+)?$/, name);
  assert.is(pkg.type, 'module');
  assert.is(pkg.license, 'MIT');
  assert.match(read('LICENSE'), /^MIT License/);
  assert.is(pkg.engines.node, '>=20');
  assert.is(pkg.name, 'kappa-onnx');
});

test('the command and the doors are files in dist/, which is what is published', () => {
  assert.equal(Object.keys(pkg.bin), ['kappa']);
  assert.ok(pkg.files.includes('dist'));
  for (const path of targets) assert.match(path, /^dist\/[\w./-]+\.(js|d\.ts|wasm)$/);
});

test('every condition has types of its own first, and more special ones come before those that others set as well', () => {
  // workerd and edge-light platforms set `browser` or `node` too; only Node and what is like it sets `node`
  assert.equal(Object.keys(pkg.exports['.']!), ['workerd', 'edge-light', 'browser', 'node', 'default']);
  const leaves = (entry: Entry): Record<string, Entry>[] =>
    typeof entry === 'string' ? [] : 'types' in entry ? [entry] : Object.values(entry).flatMap(leaves);
  for (const [path, entry] of Object.entries(pkg.exports)) {
    if (path.endsWith('.wasm')) continue;
    assert.ok(leaves(entry).length > 0, path);
    for (const leaf of leaves(entry)) {
      assert.equal(Object.keys(leaf), ['types', 'default'], path);
      const [types, code] = [leaf.types as string, leaf.default as string];
      if (path !== './report') assert.is(types.replace('/types/', '/').replace(/d\.ts$/, 'js'), code);
    }
  }
});

if (built)
  test('the build makes every file that package.json points at', () => {
    const declared = existsSync(join(ROOT, 'dist', 'types'));
    for (const path of targets) if (declared || !path.endsWith('.d.ts')) assert.ok(existsSync(join(ROOT, path)), path);
    assert.match(readFileSync(join(ROOT, 'dist', 'cli.js'), 'utf8'), /^#!\/usr\/bin\/env node\n/);
    if (process.platform !== 'win32') assert.is(statSync(join(ROOT, 'dist', 'cli.js')).mode & 0o111, 0o111);
    assert.ok(WebAssembly.validate(readFileSync(join(ROOT, 'dist', 'kernels.wasm'))));
  });
else test.skip('the build makes every file that package.json points at');

test('the commands that the documents name exist', () => {
  for (const name of ['build', 'check', 'pretest', 'start', 'test']) assert.type(pkg.scripts[name], 'string', name);
  for (const command of Object.values(pkg.scripts))
    for (const [script] of command.matchAll(/scripts\/[\w-]+\.mjs/g)) assert.ok(existsSync(join(ROOT, script)), script);
});

test.run();
