/** The operators that docs/adding-an-operator.md shows do what onnxruntime's do, once they are in the table. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { COMMON } from '../../src/ops/common.ts';
import type { Op } from '../../src/ops/op.ts';
import { read } from '../meta/sources.ts';
import { agree, float, floats } from '../ops/compare.ts';
import { blocksOf } from './blocks.ts';
import { makeTree } from './place.ts';

const test = suite('docs/operator');

test('the operators shown are right', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'kappa-docs-'));
  const table = COMMON.get('') as Map<string, Op>;
  const shown: string[] = [];
  try {
    for (const { kind, text } of blocksOf(read('docs/adding-an-operator.md'))) {
      const path = /^\/\/ (src\/\S+\.ts)\n/.exec(text)?.[1];
      if (kind !== 'ts' || path === undefined) continue;
      const made = (await import(makeTree(dir, path, text))) as Record<string, Op>;
      for (const [name, op] of Object.entries(made)) {
        shown.push(name);
        table.set(name, op);
      }
    }
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
  assert.equal(shown, ['LeakyRelu', 'Clip']);
  for (const dims of [[3], [2, 5, 7], [0], []]) {
    const x = floats(dims);
    await agree('LeakyRelu', [x], { alpha: float(0.3) }, { opset: 17 });
    await agree('Clip', [x], { min: float(-0.5), max: float(0.5) }, { opset: 7 });
    await agree('Clip', [x, floats([], -1, -0.5), floats([], 0.5, 1)], {}, { opset: 13 });
  }
});

test.run();
