import { statSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ROOT } from '../helpers.ts';
import { filesUnder, projectFiles, read } from './sources.ts';

const LINES = 500;
const TEXT =
  /(\.(ts|mts|mjs|js|json|md|py|sh|yml|yaml|html|css|txt)|(^|\/)(run|LICENSE|SHA256SUMS|\.npmrc|\.gitignore))$/;

const files = projectFiles();
const texts = files.filter((name) => TEXT.test(name) && statSync(join(ROOT, name)).isFile());

test(`no source, kernel, test or script is longer than ${LINES} lines`, () => {
  const long = texts
    .filter((name) => /^(src|assembly|test|scripts|bench)\//.test(name) && /\.(ts|mjs)$/.test(name))
    .map((name) => ({ name, lines: read(name).split('\n').length - 1 }))
    .filter(({ lines }) => lines > LINES)
    .map(({ name, lines }) => `${name}: ${lines}`);
  assert.equal(long, []);
});

test('every directory of sources has tests, and every test directory has sources', () => {
  const directory = (name: string) => name.split('/')[1]!;
  const tested = new Set(filesUnder('test', '.test.ts').map(directory));
  const rooms = new Set(
    filesUnder('src', '.ts')
      .filter((name) => name.split('/').length > 2 && !name.endsWith('/types.ts'))
      .map(directory),
  );
  if (filesUnder('assembly', '.ts').length > 0) rooms.add('assembly');
  assert.equal(
    [...rooms].filter((room) => !tested.has(room)),
    [],
  );
  const others = new Set(['meta', 'scripts', 'pipeline', 'e2e', 'seed', 'docs', 'models', 'bench', 'edge', 'examples']);
  assert.equal(
    [...tested].filter((room) => !rooms.has(room) && !others.has(room) && !room.endsWith('.test.ts')),
    [],
  );
});

/** Absolute paths of one machine: home directories, temporary and working directories. */
const MACHINE_PATH =
  /(?<![\w.:/\\<-])\/(?:root|home\/\w|work\/|tmp\/|Users\/\w|mnt\/\w|var\/folders)|\b[A-Z]:\\\\?Users/;
const REGISTRY = /https?:\/\/[^/\s"']*(?:registry|npmjs|artifactory|nexus|verdaccio|pypi)[^/\s"']*/i;

test('no paths of a machine', () => {
  // this file holds the patterns themselves
  const found = texts
    .filter((name) => name !== 'test/meta/files.test.ts')
    .flatMap((name) =>
      read(name)
        .split('\n')
        .flatMap((line, i) => (MACHINE_PATH.test(line) ? [`${name}:${i + 1}: ${line.trim().slice(0, 100)}`] : [])),
    );
  assert.equal(found, []);
});

test('packages come from whichever registry an installation is set to', () => {
  const lock = JSON.parse(read('package-lock.json')) as {
    packages: Record<string, { resolved?: string; integrity?: string; link?: boolean }>;
  };
  const entries = Object.entries(lock.packages).filter(([path]) => path !== '');
  assert.ok(entries.length > 0);
  assert.equal(
    entries.filter(([, { resolved }]) => resolved !== undefined).map(([path]) => path),
    [],
  );
  assert.equal(
    entries.filter(([, { integrity, link }]) => !integrity && !link).map(([path]) => path),
    [],
  );
  const named = texts
    .filter((name) => /(^|\/)(package(-lock)?\.json|\.npmrc|run)$/.test(name) || /\.(mjs|ts)$/.test(name))
    .filter((name) => name !== 'test/meta/files.test.ts' && REGISTRY.test(read(name)));
  assert.equal(named, []);
});

test('nothing that is installed or built is part of the project', () => {
  assert.equal(
    files.filter((name) => /(^|\/)(node_modules|dist|build|__pycache__)\//.test(name) || name.endsWith('.tmp')),
    [],
  );
});

test('models and data stay under 30 MB in all, any other file under 1 MB', () => {
  const sizes = files.map((name) => ({ name, bytes: statSync(join(ROOT, name)).size }));
  const models = sizes.filter(({ name }) => name.startsWith('models/')).reduce((sum, { bytes }) => sum + bytes, 0);
  assert.ok(models < 30e6, `models/: ${models} bytes`);
  assert.equal(
    sizes.filter(({ name, bytes }) => !name.startsWith('models/') && bytes > 1e6).map(({ name }) => name),
    [],
  );
});

test('the patterns see what they look for', () => {
  for (const line of ["'/tmp/x'", 'cd /root/a', '"/home/me/x"', 'C:\\Users\\me'])
    assert.ok(MACHINE_PATH.test(line), line);
  for (const line of ['src/home/x', 'https://a.b/home/x', './tmp/x', 'a/root', '</tmp>', "'/dev/null'"])
    assert.not.ok(MACHINE_PATH.test(line), line);
  assert.ok(REGISTRY.test('"resolved": "https://registry.example.org/x.tgz"'));
});

test.run();
