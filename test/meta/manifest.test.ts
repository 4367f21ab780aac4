import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ROOT } from '../helpers.ts';
import { projectFiles, read } from './sources.ts';

const FORMAT = /^([0-9a-f]{64}) [ *](.+)$/;

function manifest(): Map<string, string> {
  assert.ok(
    existsSync(join(ROOT, 'models', 'SHA256SUMS')),
    'models/SHA256SUMS is missing: node scripts/manifest.mjs writes it',
  );
  const lines = read('models/SHA256SUMS').split('\n');
  assert.is(lines.pop(), '', 'the last line ends');
  return new Map(
    lines.map((line) => {
      const match = FORMAT.exec(line);
      assert.ok(match, `not a line of sha256sum: '${line}'`);
      return [match![2]!, match![1]!];
    }),
  );
}

test('models/SHA256SUMS lists every model and data file, and nothing else', () => {
  const names = projectFiles()
    .filter((name) => /^models\/.*\.(onnx|npz|data)$/.test(name))
    .map((name) => name.slice('models/'.length));
  assert.ok(names.length > 0);
  assert.equal([...manifest().keys()].sort(), names.sort());
});

test('every file has its digest', () => {
  const wrong = [...manifest()].filter(([name, digest]) => {
    const file = join(ROOT, 'models', name);
    return !existsSync(file) || createHash('sha256').update(readFileSync(file)).digest('hex') !== digest;
  });
  assert.equal(
    wrong.map(([name]) => name),
    [],
  );
});

test.run();
