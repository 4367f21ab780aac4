import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { filesUnder, read } from './sources.ts';

/**
 * A uvu suite that is never run reports nothing and ends with exit code 0, one with a test that is singled out skips the
 * others, and a test added after the run is forgotten.
 * @returns what is wrong with a test file
 */
function faults(source: string): string[] {
  const found: string[] = [];
  const names: string[] = [];
  const imported = /^import\s*\{([^}]*)\}\s*from\s*['"]uvu['"]/m.exec(source)?.[1];
  if (imported === undefined) return ['does not import uvu'];
  const parts = imported.split(',').map((part) => part.trim().split(/\s+as\s+/));
  for (const [name, alias] of parts) if (name === 'test') names.push(alias ?? name);
  const maker = parts.find(([name]) => name === 'suite');
  if (maker) {
    const call = new RegExp(
      `^\\s*(?:export\\s+)?(?:const|let)\\s+([\\w$]+)\\s*=\\s*${maker[1] ?? 'suite'}\\s*(?:<[^]{0,300}?>)?\\s*\\(`,
      'gm',
    );
    for (const [, name] of source.matchAll(call)) names.push(name!);
    const calls = [
      ...source.matchAll(new RegExp(`(?<![\\w$.'"])${maker[1] ?? 'suite'}\\s*(?:<[^]{0,300}?>)?\\s*\\(`, 'g')),
    ].length;
    if (calls > names.length) found.push('makes a suite that is not a constant of the module');
  }
  if (names.length === 0) found.push('makes no suite');
  for (const name of names) {
    const escaped = name.replaceAll('$', '\\$');
    const runs = [...source.matchAll(new RegExp(`^[ \\t]*${escaped}\\.run\\(\\)`, 'gm'))];
    const tests = [...source.matchAll(new RegExp(`(?<![\\w$.'"\`])${escaped}(?:\\.skip)?\\(`, 'g'))];
    if (runs.length === 0) found.push(`${name} is never run`);
    else if (tests.length > 0 && tests.at(-1)!.index > runs.at(-1)!.index)
      found.push(`${name} has a test after its run`);
    if (tests.length === 0) found.push(`${name} has no test`);
    if (new RegExp(`^[ \\t]*${escaped}\\.only\\(`, 'm').test(source)) found.push(`${name} singles out a test`);
  }
  // uvu calls what it is given as a function: a class there accepts any error (test/throws.ts tells them apart).
  if (/assert\.throws\([^\n]*,\s*(?:\w*Error)\s*[,)]/.test(source)) found.push('gives assert.throws an error class');
  return found;
}

test('every test file runs every suite it makes, and all of its tests', () => {
  const files = filesUnder('test', '.test.ts');
  assert.ok(files.length > 10, `${files.length} test files`);
  const wrong = files.flatMap((file) => faults(read(file)).map((fault) => `${file}: ${fault}`));
  assert.equal(wrong, []);
});

test('the scan sees what it looks for', () => {
  const head = "import { suite, test } from 'uvu';\n";
  assert.equal(faults(`${head}test('a', () => {});\ntest.run();`), []);
  assert.equal(
    faults(`${head}const a = suite<{ x: number }>('a');\na('x', () => {});\na.run();\ntest('b', f);\ntest.run();`),
    [],
  );
  assert.equal(faults(`${head}test('a', () => {});\n// test.run();`), ['test is never run']);
  assert.equal(faults(`${head}const a = suite('a');\na('x', f);\ntest('b', f);\ntest.run();`), ['a is never run']);
  assert.equal(faults(`${head}test('a', f);\ntest.run();\ntest('b', f);`), ['test has a test after its run']);
  assert.equal(faults(`${head}test("a", () => assert.throws(f, ${'Range'}Error));\ntest.run();`), [
    'gives assert.throws an error class',
  ]);
  assert.equal(faults(`${head}test('a', f);\ntest.only('b', f);\ntest.run();`), ['test singles out a test']);
  assert.equal(faults(`${head}test.run();`), ['test has no test']);
  assert.equal(faults(`${head}for (const x of [1]) test(String(x), f);\ntest.run();`), []);
  assert.equal(
    faults("import { suite } from 'uvu';\nconst a = suite<{ x: A; y: () => B<C> }>('a');\na('x', f);\na.run();"),
    [],
  );
  assert.equal(faults("import { suite as s } from 'uvu';\nconst b = s('b');\nb('x', f);"), ['b is never run']);
  assert.equal(faults("import assert from 'node:assert';"), ['does not import uvu']);
});

test.run();
