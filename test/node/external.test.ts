import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { ModelError } from '../../src/errors.ts';
import { externalFiles } from '../../src/node/external.ts';
import { readModelFile } from '../../src/node.ts';
import { graph, int, join8, len, model, tensorProto } from '../onnx/build.ts';
import { throws } from '../throws.ts';

const test = suite<{ dir: string; path: string }>('external data on disk');

test.before.each((context) => {
  context.dir = mkdtempSync(join(tmpdir(), 'kappa-external-'));
  mkdirSync(join(context.dir, 'model'));
  context.path = join(context.dir, 'model', 'm.onnx');
  writeFileSync(context.path, '');
  writeFileSync(join(context.dir, 'model', 'w.bin'), Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8));
  writeFileSync(join(context.dir, 'secret'), 'not for you');
});
test.after.each(({ dir }) => rmSync(dir, { recursive: true, force: true }));

test('a range of a file in the folder, or below it', ({ dir, path }) => {
  assert.equal([...externalFiles(path)('w.bin', 2, 3)], [3, 4, 5]);
  assert.equal([...externalFiles(path)('./w.bin', 8, 0)], []);
  mkdirSync(join(dir, 'model', 'data'));
  writeFileSync(join(dir, 'model', 'data', 'x'), Uint8Array.of(9));
  assert.equal([...externalFiles(path)('data/x', 0, 1)], [9]);
});

test('a model that is a link itself: its data lies beside the file it points to', ({ dir, path }) => {
  symlinkSync(path, join(dir, 'link.onnx'));
  assert.equal([...externalFiles(join(dir, 'link.onnx'))('w.bin', 0, 1)], [1]);
});

test('nothing outside the folder is read, links followed', ({ dir, path }) => {
  const read = externalFiles(path);
  symlinkSync(join(dir, 'secret'), join(dir, 'model', 'inner'));
  symlinkSync(dir, join(dir, 'model', 'up'));
  for (const location of ['../secret', 'inner', 'up/secret', join(dir, 'secret'), 'a/../../secret', 'C:\\secret', '.'])
    throws(() => read(location, 0, 1), ModelError, /external data '.*': (leaves|expected a path)/);
});

test('missing, too short, a folder, a pipe', ({ dir, path }) => {
  const read = externalFiles(path);
  throws(() => read('none', 0, 1), ModelError, /external data 'none': no such file/);
  throws(() => read('w.bin', 4, 5), ModelError, /expected 5 bytes at 4, found a file of 8 bytes/);
  throws(() => read('w.bin', Number.MAX_SAFE_INTEGER, 5), ModelError, /found a file of 8 bytes/);
  mkdirSync(join(dir, 'model', 'folder'));
  throws(() => read('folder', 0, 1), ModelError, /expected a regular file/);
  execFileSync('mkfifo', [join(dir, 'model', 'pipe')]);
  throws(() => read('pipe', 0, 1), ModelError, /expected a regular file/);
});

test('a model with a larger file than memory holds is opened at once; a tensor is read by its range', async ({
  dir,
  path,
}) => {
  const entry = (key: string, value: string) => len(13, join8(len(1, key), len(2, value)));
  const at = (name: string, dims: number[], offset: number) =>
    len(5, tensorProto(name, 1, dims, entry('location', 'huge'), entry('offset', `${offset}`), int(14, 1)));
  writeFileSync(join(dir, 'model', 'huge'), '');
  truncateSync(join(dir, 'model', 'huge'), 2 ** 36);
  writeFileSync(
    path,
    model(graph(at('w', [2 ** 16, 2 ** 17], 0), at('v', [3], 2 ** 36 - 12), at('u', [3], 2 ** 36 - 8))),
  );
  const { initializers } = (await readModelFile(path)).graph;
  assert.equal([...(initializers[1]!.tensor().data as Float32Array)], [0, 0, 0]);
  throws(() => initializers[2]!.tensor(), ModelError, /initializer 2 'u': external data 'huge': expected 12 bytes/);
});

test.run();
