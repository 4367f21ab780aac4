import { spawn } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { checkOutput, OutputFile, readInput, writeOutput } from '../../src/cli/files.ts';
import { DataError, ModelError, UsageError } from '../../src/errors.ts';
import { ROOT } from '../helpers.ts';

const test = suite<{ dir: string }>('files');
const root = process.getuid?.() === 0;

test.before.each((context) => {
  context.dir = mkdtempSync(join(tmpdir(), 'kappa-files-'));
});
test.after.each(({ dir }) => rmSync(dir, { recursive: true, force: true }));

async function rejects(
  promise: Promise<unknown>,
  type: new (...args: never[]) => Error,
  message: RegExp,
): Promise<void> {
  try {
    await promise;
  } catch (error) {
    assert.instance(error, type);
    assert.match((error as Error).message, message);
    assert.not.match((error as Error).message, /\n/);
    return;
  }
  assert.unreachable(`expected ${type.name}`);
}

test('reads a file whole, an empty one too', async ({ dir }) => {
  const bytes = Uint8Array.from({ length: 3_000_001 }, (_, i) => i * 7);
  writeFileSync(join(dir, 'a'), bytes);
  writeFileSync(join(dir, 'empty'), '');
  assert.equal(Buffer.compare(await readInput(join(dir, 'a'), 'model'), bytes), 0);
  assert.is((await readInput(join(dir, 'empty'), 'data')).length, 0);
});

test('reading: missing, directory, too large, bad name', async ({ dir }) => {
  await rejects(readInput(join(dir, 'no.onnx'), 'model'), ModelError, /^model '.*no\.onnx': no such file$/);
  await rejects(readInput(join(dir, 'no.npz'), 'data'), DataError, /^data '.*no\.npz': no such file$/);
  await rejects(readInput(join(dir, 'no.json'), 'plan'), UsageError, /^plan '.*no\.json': no such file$/);
  await rejects(readInput(dir, 'model'), ModelError, /is a directory, expected a file$/);
  writeFileSync(join(dir, 'big'), new Uint8Array(2001));
  assert.is((await readInput(join(dir, 'big'), 'model', { maxBytes: 2001 })).length, 2001);
  await rejects(
    readInput(join(dir, 'big'), 'model', { maxBytes: 2000 }),
    ModelError,
    /expected at most 2\.00 kB, found 2\.00 kB$/,
  );
  await rejects(readInput(join(dir, 'a\0b'), 'model'), ModelError, /^model /);
  await rejects(readInput(join(dir, 'big', 'x'), 'model'), ModelError, /no such file$/);
  if (!root) {
    chmodSync(join(dir, 'big'), 0);
    await rejects(readInput(join(dir, 'big'), 'data'), DataError, /permission denied$/);
  }
});

test('a device without end is read only up to the limit', async () => {
  if (!existsSync('/dev/zero')) return;
  await rejects(
    readInput('/dev/zero', 'model', { maxBytes: 5_000_000 }),
    ModelError,
    /expected at most 5\.00 MB, found more$/,
  );
  assert.is((await readInput('/dev/null', 'data')).length, 0);
});

test('writes whole, leaves nothing beside it', async ({ dir }) => {
  const path = join(dir, 'out.onnx');
  await writeOutput(path, new Uint8Array([1, 2, 3]));
  assert.equal([...readFileSync(path)], [1, 2, 3]);
  await writeOutput(join(dir, 'text'), 'größe\n');
  assert.is(readFileSync(join(dir, 'text'), 'utf8'), 'größe\n');
  assert.equal(readdirSync(dir).sort(), ['out.onnx', 'text']);
});

test('an existing file is kept without force and replaced with it, permissions kept', async ({ dir }) => {
  const path = join(dir, 'out');
  writeFileSync(path, 'old');
  chmodSync(path, 0o640);
  await rejects(writeOutput(path, 'new'), UsageError, /^output '.*out': exists already; --force replaces it$/);
  assert.is(readFileSync(path, 'utf8'), 'old');
  await writeOutput(path, 'new', { force: true });
  assert.is(readFileSync(path, 'utf8'), 'new');
  assert.is(statSync(path).mode & 0o777, 0o640);
  assert.equal(readdirSync(dir), ['out']);
});

test('a symbolic link stays one', async ({ dir }) => {
  mkdirSync(join(dir, 'real'));
  writeFileSync(join(dir, 'real', 'file'), 'old');
  symlinkSync(join('real', 'file'), join(dir, 'link'));
  await writeOutput(join(dir, 'link'), 'new', { force: true });
  assert.is(readFileSync(join(dir, 'real', 'file'), 'utf8'), 'new');
  assert.equal(readdirSync(dir).sort(), ['link', 'real']);
});

test('outputs that cannot be', async ({ dir }) => {
  await rejects(checkOutput(''), UsageError, /expected a file name/);
  await rejects(checkOutput(dir), UsageError, /is a directory/);
  await rejects(checkOutput(dir, { force: true }), UsageError, /is a directory/);
  await rejects(checkOutput(join(dir, 'no', 'out')), UsageError, /there is no directory '.*no'$/);
  writeFileSync(join(dir, 'file'), '');
  await rejects(checkOutput(join(dir, 'file', 'out')), UsageError, /no such file/);
  if (existsSync('/dev/null'))
    await rejects(checkOutput('/dev/null', { force: true }), UsageError, /not a regular file$/);
  await checkOutput(join(dir, 'fine'));
  assert.equal(readdirSync(dir), ['file']);
});

test('discard leaves nothing; a closed output refuses', async ({ dir }) => {
  const output = await OutputFile.create(join(dir, 'out'));
  await output.write('half');
  assert.is(readdirSync(dir).length, 1);
  await output.discard();
  await output.discard();
  assert.equal(readdirSync(dir), []);
  await rejects(output.write('more'), Error, /is closed/);
});

test('a file that appears during the work is kept', async ({ dir }) => {
  const path = join(dir, 'out');
  const output = await OutputFile.create(path);
  await output.write('mine');
  writeFileSync(path, 'theirs');
  await rejects(output.commit(), UsageError, /exists already/);
  assert.is(readFileSync(path, 'utf8'), 'theirs');
  assert.equal(readdirSync(dir), ['out']);
});

test('signal listeners last no longer than the work', async ({ dir }) => {
  const count = () =>
    process.listenerCount('SIGINT') + process.listenerCount('SIGTERM') + process.listenerCount('exit');
  const before = count();
  const one = await OutputFile.create(join(dir, 'one'));
  const two = await OutputFile.create(join(dir, 'two'));
  assert.is(count(), before + 3);
  await one.commit();
  assert.is(count(), before + 3);
  await two.discard();
  assert.is(count(), before);
  await rejects(writeOutput(join(dir, 'one'), ''), UsageError, /exists/);
  assert.is(count(), before);
});

/** Runs a script that begins an output in `dir`, says so, and then does `then`. */
function interrupted(
  dir: string,
  then: string,
  signal?: NodeJS.Signals,
): Promise<{ code: number | null; signal: string | null; seen: number }> {
  const module = pathToFileURL(join(ROOT, 'src', 'cli', 'files.ts')).href;
  const script = `import { OutputFile } from ${JSON.stringify(module)};
    const output = await OutputFile.create(${JSON.stringify(join(dir, 'out'))});
    await output.write('half');
    ${then}
    console.log('ready');`;
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script], {
      cwd: ROOT,
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    let seen = -1;
    child.stdout.on('data', () => {
      seen = readdirSync(dir).length;
      if (signal) child.kill(signal);
    });
    child.on('error', reject);
    child.on('close', (code, ending) => resolve({ code, signal: ending, seen }));
  });
}

test('interruption removes what was being written', async ({ dir }) => {
  const killed = await interrupted(dir, 'setInterval(() => {}, 1000);', 'SIGINT');
  assert.equal(killed, { code: null, signal: 'SIGINT', seen: 1 });
  assert.equal(readdirSync(dir), []);
});

test('so does leaving, from the command\u2019s own signal listener or anywhere', async ({ dir }) => {
  const left = await interrupted(
    dir,
    "process.on('SIGTERM', () => process.exit(130)); setInterval(() => {}, 1000);",
    'SIGTERM',
  );
  assert.equal(left, { code: 130, signal: null, seen: 1 });
  assert.equal(readdirSync(dir), []);
  const thrown = await interrupted(dir, "setTimeout(() => { throw new Error('a bug'); }, 20);");
  assert.is(thrown.code, 1);
  assert.equal(readdirSync(dir), []);
});

test.run();
