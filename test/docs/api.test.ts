import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { exportsOf } from '../../scripts/api/exports.ts';
import { doors, exportsByPage, pageOf } from '../../scripts/api/pages.ts';
import { ROOT } from '../helpers.ts';
import { read } from '../meta/sources.ts';
import { throws } from '../throws.ts';

const test = suite('docs/api');
const FOLDER = 'docs/api';

/** Words alone: markup, escapes and line ends are the generator's. */
function words(text: string): string {
  return text
    .replace(/&lt;/g, '<')
    .replace(/&gt;/g, '>')
    .replace(/\{@link (\w+)\}/g, '$1')
    .replace(/\[([^\]]*)\]\([^)]*\)/g, '$1')
    .replace(/[\\`*_]/g, '')
    .replace(/\s+/g, ' ')
    .trim();
}

/** The first sentence, or the first paragraph where that ends otherwise. */
function sentence(doc: string): string {
  const paragraph = doc.split(/\n\s*\n/)[0]!.replace(/\s+/g, ' ');
  return /^.*?[.?!](?=\s|$)/.exec(paragraph)?.[0] ?? paragraph;
}

test('whatever a door exports has a doc comment with a sentence', () => {
  const missing = doors().flatMap((door) => {
    const found = exportsOf(ROOT, door);
    assert.ok(found.length > 10, door);
    return found
      .filter(({ doc }) => doc === undefined || doc.split(/\s+/).length < 2 || !/[.?!:)]$/.test(sentence(doc)))
      .map(({ name, file, doc }) => `${file}: ${name}: ${doc ?? 'no comment'}`);
  });
  assert.equal([...new Set(missing)], []);
});

test('docs/api/ has what the doors export, and says of it what the comments say', () => {
  const stale: string[] = [];
  const pages = exportsByPage();
  for (const [page, things] of pages) {
    const text = read(`${FOLDER}/${page}.md`);
    const said = words(text);
    const headings = text.replaceAll('\\', '');
    for (const { name, doc } of things) {
      if (!new RegExp(`^#{2,4} ${name}(\\(\\)|<.*)?$`, 'm').test(headings))
        stale.push(`${page}.md: no heading '${name}'`);
      if (doc !== undefined && !said.includes(words(sentence(doc))))
        stale.push(`${page}.md: ${name}: ${sentence(doc)}`);
    }
  }
  assert.equal(stale, [], 'run `npm run docs`');
  const expected = [...pages.keys(), 'README'].map((page) => `${page}.md`).sort();
  assert.equal(readdirSync(join(ROOT, FOLDER)).sort(), expected, 'run `npm run docs`');
});

test('docs/api/ is small, and names no place and no day', () => {
  const files = readdirSync(join(ROOT, FOLDER)).map((name) => `${FOLDER}/${name}`);
  assert.ok(files.reduce((sum, file) => sum + statSync(join(ROOT, file)).size, 0) < 450_000);
  for (const file of files) {
    const text = read(file);
    assert.not.ok(text.includes(ROOT), file);
    assert.not.match(text, /\b20\d\d-\d\d-\d\d\b|file:\/\//, file);
  }
});

test('the generator is locked to versions, from whichever registry an installation is set to', () => {
  const lock = JSON.parse(read('scripts/api/package-lock.json')) as {
    packages: Record<string, { version?: string; resolved?: string; integrity?: string }>;
  };
  const { dependencies } = JSON.parse(read('scripts/api/package.json')) as { dependencies: Record<string, string> };
  for (const [name, version] of Object.entries(dependencies))
    assert.is(lock.packages[`node_modules/${name}`]?.version, version, name);
  for (const [path, { resolved, integrity }] of Object.entries(lock.packages))
    assert.ok(path === '' || (resolved === undefined && integrity !== undefined), path);
});

test('exports are followed to where they are declared, with their comments', () => {
  const files: Record<string, string> = {
    'src/door.ts': `export * from './a.ts';\nexport { type B, c as d } from './b.ts';\n/** E. */\nexport type E = 1;\n`,
    'src/a.ts': `/** A does. @throws never */\nexport async function* a() {}\n\n/** Not its. */\nconst x = 1;\nexport class Bare {}\n`,
    'src/b.ts': `/**\n * B is\n * long.\n */\nexport interface B {}\n/** C. */\nexport const c = 1;\n`,
  };
  const found = exportsOf('', 'src/door.ts', (file) => files[file]!);
  assert.equal(
    found.map(({ name, declared, file, type, doc }) => [name, declared, file, type, doc]),
    [
      ['a', 'a', 'src/a.ts', false, 'A does.'],
      ['Bare', 'Bare', 'src/a.ts', false, undefined],
      ['B', 'B', 'src/b.ts', true, 'B is\nlong.'],
      ['d', 'c', 'src/b.ts', false, 'C.'],
      ['E', 'E', 'src/door.ts', true, 'E.'],
    ],
  );
  throws(
    () => exportsOf('', 'src/door.ts', (file) => (file === 'src/b.ts' ? '' : files[file]!)),
    /'B' is not declared/,
  );
  assert.equal(['src/report/html/x.ts', 'src/jobs/x.ts', 'src/node.ts', 'src/errors.ts'].map(pageOf), [
    'html',
    'jobs',
    'node',
    'common',
  ]);
});

test.run();
