import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { makeProject } from './project.ts';

test('the manifest is what sha256sum prints, and --check sees every difference', async () => {
  const project = makeProject(['scripts/manifest.mjs'], {
    'models/b.onnx': 'abc',
    'models/a.npz': '',
    'models/train/x.py': 'print()',
    'models/README.md': 'notes',
  });
  const run = (...flags: string[]) => project.run('node', ['scripts/manifest.mjs', ...flags]);
  try {
    assert.is((await run('--check')).code, 1);
    assert.is((await run()).code, 0);
    // digests of '' and 'abc': FIPS 180-2, appendix B
    assert.is(
      readFileSync(join(project.root, 'models', 'SHA256SUMS'), 'utf8'),
      'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855  a.npz\n' +
        'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad  b.onnx\n',
    );
    assert.is((await run('--check')).code, 0);
    project.write({ 'models/b.onnx': 'abd', 'models/c.onnx': '' });
    const changed = await run('--check');
    assert.is(changed.code, 1);
    assert.match(changed.stderr, /differs from the files: b\.onnx, c\.onnx/);
  } finally {
    project.remove();
  }
});

test.run();
