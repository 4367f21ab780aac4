import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { lastLine, makeProject, type Project } from './project.ts';

const runner = suite<{ project: Project }>('the test runner');

// assembled so that a scan of this file for suites finds only its own
const head = "import { test } from 'uvu'; import * as assert from 'uvu/assert';\n";
const run = '\ntest.run();\n';

const FILES = {
  'test/a/ok.test.ts': `${head}test('x', () => {}); test('y', () => {}); test.skip('z', () => {});${run}`,
  'test/a/bad.test.ts': `${head}test('x', () => {}); test('y', () => assert.is(1, 2));${run}`,
  'test/a/silent.test.ts': `${head}test('x', () => {});`,
  'test/a/empty.test.ts': `${head}${run}`,
  'test/a/before.test.ts': `${head}test.before(() => { throw new Error('b'); }); test('x', () => {});${run}`,
  'test/b/hang.test.ts': `${head}test('x', () => new Promise((r) => setTimeout(r, 60000)));${run}`,
  'test/b/leaves.test.ts': `${head}test('x', () => process.exit(0));${run}`,
  'test/b/late.test.ts': `${head}test('x', () => { setTimeout(() => { throw new Error('late'); }, 30); });${run}`,
  'test/b/imports.test.ts': `import './nowhere.ts';\n${head}test('x', () => {});${run}`,
  'test/b/claims.test.ts': `${head}test('x', () => { console.log('\\n  Total:     9\\n  Passed:    9\\n  Skipped:   0\\n'); assert.is(1, 2); });${run}`,
  'test/helper.ts': 'export {};',
};

runner.before((context) => {
  context.project = makeProject(['scripts'], FILES);
});
runner.after(({ project }) => project.remove());

runner('counts, and fails whatever does not prove that it passed', async ({ project }) => {
  const { code, stdout } = await project.run('node', ['scripts/test.mjs', '--timeout', '4']);
  // passed: ok 2, bad 1, late 1; failed: every file but ok, one each
  assert.is(lastLine(stdout), '4 passed, 9 failed, 1 skipped');
  assert.is(code, 1);
  const reasons: Record<string, string> = {
    'a/bad': '1 of 2 failed',
    'a/silent': 'reported no test',
    'a/empty': 'has no test',
    'a/before': '1 of 1 failed, exit code 0',
    'b/hang': 'no summary, ran past 4 s',
    'b/leaves': '',
    'b/late': 'failed after its summary: exit code 1',
    'b/imports': 'no summary, exit code 1',
    'b/claims': '1 of 1 failed',
  };
  const summary = stdout.slice(stdout.indexOf('\nfailed:'));
  for (const [name, reason] of Object.entries(reasons))
    assert.ok(summary.includes(`test/${name}.test.ts: ${reason}`), `${name}: ${summary}`);
  assert.match(stdout, /ok {2}test\/a\/ok\.test\.ts {2}2 passed, 1 skipped {2}\d+\.\d s/);
  assert.match(stdout, /Expected values to be strictly equal/);
});

runner('names choose files; all of them passing is exit code 0', async ({ project }) => {
  const { code, stdout } = await project.run('node', ['scripts/test.mjs', 'a/ok']);
  assert.is(code, 0);
  assert.is(lastLine(stdout), '2 passed, 0 failed, 1 skipped');
});

runner('no file, or an unknown flag, is no success', async ({ project }) => {
  const none = await project.run('node', ['scripts/test.mjs', 'no-such-name']);
  assert.is(none.code, 1);
  assert.is(lastLine(none.stdout), '0 passed, 0 failed');
  assert.match(none.stderr, /no test file matches no-such-name/);
  const flag = await project.run('node', ['scripts/test.mjs', '--fast']);
  assert.is(flag.code, 2);
  assert.match(flag.stderr, /unknown flag --fast/);
});

runner('colours only where they are wanted, never in the last line', async ({ project }) => {
  const plain = await project.run('node', ['scripts/test.mjs', 'a/ok']);
  assert.not.ok(plain.stdout.includes('\u001b'));
  const forced = await project.run('node', ['scripts/test.mjs', 'a/ok'], { NO_COLOR: '', FORCE_COLOR: '1' });
  assert.ok(forced.stdout.includes('\u001b'));
  assert.is(lastLine(forced.stdout), '2 passed, 0 failed, 1 skipped');
});

runner.run();
